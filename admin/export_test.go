package admin

// Bar is p as a command of a run has it.
func Bar(p Principal, why error) Principal {
	p.barred = why
	return p
}
