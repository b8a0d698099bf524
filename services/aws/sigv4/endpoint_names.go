package sigv4

import (
	_ "embed"
	"strings"
	"sync"
)

// signedFor is generated, with the operations of package api and of the same models.
//
//go:embed names.txt
var signedFor string

// hostNames are the names of AWS's hosts and what each is signed for. It is immutable.
//
// What is not in it is not signed for: under the same domains are names that anybody can
// have (elb, compute), where a service's word is that of a stranger.
type hostNames struct {
	whole   map[string][]string
	starred map[string][]starredName // by their last labels
}

type starredName struct {
	pattern string
	signed  []string
}

//nolint:gochecknoglobals // a constant in the form that is looked up, never written to
var namesOfHosts = sync.OnceValue(func() *hostNames {
	n := &hostNames{whole: map[string][]string{}, starred: map[string][]starredName{}}
	for line := range strings.Lines(signedFor) {
		name, by, ok := strings.Cut(strings.TrimSpace(line), " ")
		switch signed := strings.Split(by, ","); {
		case !ok || name == "#":
		case strings.Contains(name, "*"):
			last := name[strings.LastIndexByte(name, '.')+1:]
			n.starred[last] = append(n.starred[last], starredName{name, signed})
		default:
			n.whole[name] = signed
		}
	}
	return n
})

// signed returns what a name is signed for, nil if it is not known: the name as a whole, or
// with an account's own labels in it. What comes before the last two labels, or before the
// last, of a name that is known is an account's own as well.
func (n *hostNames) signed(labels []string) []string {
	name := strings.Join(labels, ".")
	if by := n.whole[name]; by != nil {
		return by
	}
	last := len(labels) - 1
	for _, one := range n.starred[labels[last]] {
		if fitsLabels(one.pattern, name) {
			return one.signed
		}
	}
	if last > 0 {
		if by := n.whole[labels[last-1]+"."+labels[last]]; by != nil {
			return by
		}
	}
	return n.whole[labels[last]]
}

// fitsLabels compares label by label; a star, one in each, is any run of characters.
func fitsLabels(pattern, name string) bool {
	for {
		p, restOfPattern, more := strings.Cut(pattern, ".")
		label, restOfName, moreOfName := strings.Cut(name, ".")
		before, after, star := strings.Cut(p, "*")
		fits := p == label
		if star {
			fits = len(label) > len(before)+len(after) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)
		}
		if !fits || more != moreOfName {
			return false
		}
		if !more {
			return true
		}
		pattern, name = restOfPattern, restOfName
	}
}
