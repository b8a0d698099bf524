package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// namesText says what each name of a host is signed for, as package sigv4 reads it: NAME
// SERVICE[,SERVICE]. The names are those at which the table's services take their operations,
// and those of names.txt, whose services no model has. S3 is left out: its hosts begin with
// buckets, and are read label by label.
func namesText(services []*service, further map[string][]string, version string) []byte {
	signed := map[string]map[string]bool{}
	add := func(name string, by ...string) {
		if signed[name] == nil {
			signed[name] = map[string]bool{}
		}
		for _, service := range by {
			signed[name][service] = true
		}
	}
	for _, s := range services {
		for _, name := range s.hosts {
			if s.signing != "s3" {
				add(name, s.signing)
			}
		}
	}
	for name, by := range further {
		add(name, by...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What AWS's hosts are signed for, by their names without region and domain: of botocore %s and gen/data. Generated.\n", version)
	for _, name := range slices.Sorted(maps.Keys(signed)) {
		fmt.Fprintf(&b, "%s %s\n", name, strings.Join(slices.Sorted(maps.Keys(signed[name])), ","))
	}
	return []byte(b.String())
}
