module cnilab.local/calico-stand-in

go 1.26
