// Package owners is who may answer for agents: the people and teams of owners.yaml,
// and who of them is accountable.
//
// A [Directory] is parsed whole and immutable. It promises that whoever it calls
// accountable is one person of the file. It knows no agent, and decides nothing.
package owners
