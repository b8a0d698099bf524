package certs

// ReadFolders is what Bundle does on systems without a file of roots.
var ReadFolders = readFolders
