package credentials

import "time"

// Options is what Parse needs to know of the world.
type Options struct {
	Home           string              // where file: and exec: are relative to
	Getenv         func(string) string // the process's environment
	FingerprintKey []byte              // the per-home key of fingerprints
	Now            func() time.Time    // time.Now if nil
}

// Set is one credentials.yaml: every credential by name. It is immutable and safe
// for concurrent use; a nil Set has no credentials.
type Set struct{ warnings []string }

// Parse reads credentials.yaml.
func Parse(file string, data []byte, options Options) (*Set, error) { return &Set{}, nil }

// Warnings returns what is worth a look although the file is in force.
func (s *Set) Warnings() []string { return s.warnings }

// Names returns the credentials' names, sorted.
func (s *Set) Names() []string { return nil }

// Lookup returns the credential of that name, or nil, which refuses everything.
func (s *Set) Lookup(name string) *Credential { return nil }

// AgentAuthHeaders returns the canonical names of headers that agents authenticate with.
func (s *Set) AgentAuthHeaders() []string { return nil }

// AgentAuthParameters returns the query parameters that credentials write.
func (s *Set) AgentAuthParameters() []string { return nil }

// EnvNames returns the variables that env: secrets read.
func (s *Set) EnvNames() []string { return nil }
