package policy

import "sallyport/internal/host"

// index finds the rules that can match at a host: by its name, by the domains
// above it, and the rules that can match anywhere. Each list is in file order.
type index struct {
	exact    map[string][]int
	below    map[string][]int
	anywhere []int
	services []int // rules about services; asked of requests that have a meaning
}

func newIndex(rules []rule) index {
	x := index{exact: map[string][]int{}, below: map[string][]int{}}
	for i := range rules {
		if _, ok := rules[i].matcher.(*serviceRule); ok {
			x.services = append(x.services, i)
			continue
		}
		patterns := rules[i].matcher.patterns()
		if len(patterns) == 0 {
			x.anywhere = append(x.anywhere, i)
		}
		for _, p := range patterns {
			x.add(p, i)
		}
	}
	return x
}

func (x *index) add(p host.Pattern, i int) {
	if name, ok := p.Exact(); ok {
		x.exact[name.String()] = append(x.exact[name.String()], i)
	} else if name, ok := p.Below(); ok {
		x.below[name.String()] = append(x.below[name.String()], i)
	} else {
		x.anywhere = append(x.anywhere, i)
	}
}
