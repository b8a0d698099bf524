package policy

import (
	"fmt"
	"strings"

	"sallyport/internal/yamldoc"
)

// Reach is what the operations of a pattern have in common.
type Reach struct {
	Least, Greatest Access
	Named           bool // one of them at least names the resource that it is about
	Hidden          bool // one of them at least hides it
	WritesRefs      bool // one of them at least writes a ref other than by a push
	Pushes          bool // one of them at least is a push
}

// impossible warns of a rule, or of a part of one, that no request can match: whoever
// wrote it meant something else.
func (p *Policy) impossible(r *rule) []yamldoc.Error {
	m, ok := r.matcher.(*serviceRule)
	if !ok {
		return nil
	}
	var warnings []yamldoc.Error
	label := r.effect.String() + "." + m.service.Key
	if len(m.refs)+len(m.updates) > 0 && m.effect == Allow && m.access == Read {
		warnings = append(warnings, p.warning(r, label, "refs and updates speak of pushes, which access read does not include; remove them, or write access: write"))
	}
	if m.service.Reach == nil {
		return warnings
	}
	for _, o := range m.operations {
		if why := m.neverMatches(m.service.Reach(o)); why != "" {
			warnings = append(warnings, p.warning(r, label+".operations", o.String()+" never matches here: "+why))
		}
	}
	return warnings
}

func (m *serviceRule) neverMatches(reach Reach) string {
	repos := strings.Join(texts(m.repos), ", ")
	switch {
	case m.effect == Allow && m.access != 0 && m.access < reach.Least:
		return fmt.Sprintf("it takes %s, and the rule gives access %s; leave access out, for the operations say enough", reach.Least, m.access)
	case m.effect != Allow && m.access > reach.Greatest:
		return fmt.Sprintf("it takes %s, and the rule begins at access %s; leave access out", reach.Greatest, m.access)
	case m.effect != Allow || len(m.repos) == 0 || reach.Named || reach.Hidden && m.bounded:
		return ""
	case reach.Hidden:
		return fmt.Sprintf("it hides its repository, and repos [%s] can bound it only under a credential whose token is narrowed to them: name each, of one owner, or OWNER/*", repos)
	}
	return fmt.Sprintf("it is about no repository, and repos [%s] want one; give it a rule without repos", repos)
}
