package policy

// Grant is what one rule about a service says of its operations, for whoever has the
// service itself see to it as well.
type Grant struct {
	Rule       string
	Effect     Effect
	Operations []Operations // none for all
	Resources  []Resources  // none for all
	Regions    []string     // none for all
}

// Grants lists the rules about a service that let something out with a credential, and
// those that deny, in the order of the file.
func (p *Policy) Grants(service, credential string) []Grant {
	if p == nil {
		return nil
	}
	var grants []Grant
	for i := range p.rules {
		r := &p.rules[i]
		m, ok := r.matcher.(*serviceRule)
		if !ok || m.service.Key != service || r.effect != Deny && r.credential != credential {
			continue
		}
		grants = append(grants, Grant{r.name, r.effect, m.operations, m.resources, m.regions})
	}
	return grants
}
