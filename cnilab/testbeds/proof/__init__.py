"""Is the mode that is reported the mode that carried the packets? The judgement; testbeds gather the evidence."""
