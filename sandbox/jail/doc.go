// Package jail starts one command in a jail: it sees no network but a loopback on
// which every address is ours, no process but its own, and no socket of programs
// outside.
//
// [Start] makes the jail, which takes a user namespace and no privilege
// (user_namespaces(7)): it works as root and as nobody. In it, [Enter] is the first
// process. It makes the sockets that the supervisor outside serves, mounts, and
// hands the sockets out ([Sockets]); then it becomes the parent of the command, and
// when the command ends, or the supervisor does, the kernel ends all that is left.
//
// What the command tries is seen twice: connect(2), and socket(2) for what there is
// none of in a jail, are handed to the supervisor by the kernel (seccomp_unotify(2)),
// which knows the program, makes the connection itself, and makes none to a socket
// that is not of the jail; packets are seen by a packet socket. Where the system
// forbids what a jail takes, [Start] says which setting does, and starts nothing.
//
// The package decides nothing about requests: who serves the sockets does.
package jail
