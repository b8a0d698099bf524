// Package veil starts one command that shall not see what its starter can: the
// files it is told to hide, and, by a mark that the command and all it starts
// cannot shed, the administration of the server it works under.
//
// The command keeps its user, its process group, its terminal, its streams and
// its working folder; [Start] prepares, [Process.Exec] becomes the command.
// Hiding takes a mount namespace (mount_namespaces(7)), which root may make and
// others by way of a user namespace (user_namespaces(7)). Where the kernel
// forbids both, the command is started all the same and [Process.Exposed] says
// why nothing is hidden: whether to go on is its caller's choice. The mark
// ([Marked]) needs no namespace.
//
// The package never claims to be a sandbox: what the command may do to other
// files, to the network, and by way of programs that already run outside is
// untouched. On systems other than Linux it hides and marks nothing, and says so.
package veil
