package policy

// Policy is one compiled policy file. It is immutable and safe for concurrent
// use; a nil *Policy denies everything.
type Policy struct {
	name        string
	description string
	hash        string
}

// Parse compiles the policy file named file from its bytes. On failure the error
// is an Errors with every problem of the file.
func Parse(file string, data []byte) (*Policy, error) {
	return nil, Errors{{File: file, Line: 1, Msg: "not supported yet"}}
}

// Name returns the policy's name, which is also the file's.
func (p *Policy) Name() string { return p.name }

// Description returns what the file says the policy is for.
func (p *Policy) Description() string { return p.description }

// Hash returns the SHA-256 of the file's bytes in lower-case hex.
func (p *Policy) Hash() string { return p.hash }

// Decide answers a query.
func (p *Policy) Decide(q Query) Decision { return Decision{} }

// Explain answers a query and says of every rule why it did or did not decide.
func (p *Policy) Explain(q Query) Explanation { return Explanation{} }

// RunTests runs the tests inside the file.
func (p *Policy) RunTests() []TestFailure { return nil }

// Warnings returns what is legal but likely a mistake.
func (p *Policy) Warnings() []Error { return nil }

// CredentialUses lists the rules that name a credential.
func (p *Policy) CredentialUses() []CredentialUse { return nil }
