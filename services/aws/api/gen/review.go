package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reviewText is the result of the review, for people: which operations a rule has to name
// exactly and what for, and which only look like it and why.
func reviewText(services []*service, version string) []byte {
	exact, other := map[string]string{}, map[string]map[string][]string{}
	total, flagged := 0, 0
	for _, s := range services {
		for _, o := range s.operations {
			total++
			if o.listed || len(o.findings) > 0 {
				flagged++
			}
			switch {
			case o.secret:
				exact[s.prefix+"/"+o.name] = o.because()
			case len(o.findings) > 0:
				reason := strings.Join(o.reasons, "; ")
				if other[reason] == nil {
					other[reason] = map[string][]string{}
				}
				if !slices.Contains(other[reason][s.prefix], o.name) {
					other[reason][s.prefix] = append(other[reason][s.prefix], o.name)
				}
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The review of AWS's operations by what their inputs and answers hold, of botocore %s. Generated; what people\n"+
		"# decided is in gen/data/secrets.txt and gen/data/reviewed.txt.\n"+
		"# Of %d operations %d hold something that by its name or type may be a credential, or may decide who may do what.\n"+
		"# %d of them have to be named exactly by a rule.\n\n## Named exactly\n\n", version, total, flagged, len(exact))
	for _, name := range slices.Sorted(maps.Keys(exact)) {
		fmt.Fprintf(&b, "%s\t%s\n", name, exact[name])
	}
	b.WriteString("\n## Not, and why\n")
	for _, reason := range slices.Sorted(maps.Keys(other)) {
		fmt.Fprintf(&b, "\n# %s\n", reason)
		for _, prefix := range slices.Sorted(maps.Keys(other[reason])) {
			fmt.Fprintf(&b, "%s/\t%s\n", prefix, strings.Join(other[reason][prefix], " "))
		}
	}
	return []byte(b.String())
}

// because is why an operation has to be named exactly.
func (o *operation) because() string {
	var why []string
	if o.listed {
		why = append(why, o.remark)
	}
	for _, f := range o.why {
		why = append(why, f.String())
	}
	const shown = 4
	if len(why) > shown {
		why = append(why[:shown], fmt.Sprintf("and %d more", len(why)-shown))
	}
	return strings.Join(why, ", ")
}
