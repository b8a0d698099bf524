package credentials

import "slices"

// Server returns the GitHub server that the credential is for, "" if it is for none.
func (c *Credential) Server() string {
	if c == nil {
		return ""
	}
	return c.server
}

// Servers lists the GitHub servers that credentials are for.
func (s *Set) Servers() []string {
	if s == nil {
		return nil
	}
	var servers []string
	for _, c := range s.credentials {
		if c.server != "" {
			servers = append(servers, c.server)
		}
	}
	slices.Sort(servers)
	return slices.Compact(servers)
}
