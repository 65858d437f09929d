module cnilab.local/pause

go 1.26
