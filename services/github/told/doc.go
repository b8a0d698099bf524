// Package told keeps what the answers of GitHub's servers have told an agent beside what was
// asked for: which number stands for which repository, account or team, and to which signed
// link it was led.
//
// GitHub links the further pages of a list by number (/repositories/7/issues?page=2), and
// from a number nobody can tell what it stands for. What a server has told an agent, it has
// told about itself and to this agent alone: one agent's numbers are not another's, or a
// refusal would tell it the names of repositories that it may not see.
//
// All is bounded and ends by itself: a number when the repository could have another name by
// now, a link when its signature has ended. Numbers outlive a restart, links do not.
package told
