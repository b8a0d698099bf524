package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tellApart finds what tells requests of one method and path apart: query keys in the
// template, required query members, required headers. Operations that remain equal are
// aliases of one request: the older goes.
func tellApart(s *service, m *model) error {
	groups := map[string][]*operation{}
	selectors := map[string]bool{}
	for _, o := range s.operations {
		path, query, _ := strings.Cut(o.uri, "?")
		for segment := range strings.SplitSeq(path, "/") {
			if strings.ContainsAny(segment, "{}") && (segment[0] != '{' || strings.Index(segment, "}") != len(segment)-1) {
				return fmt.Errorf("%s: segment %q", o.name, segment)
			}
		}
		for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' }) {
			key, _, _ := strings.Cut(pair, "=")
			selectors[key] = true
		}
		key := o.method + " " + parameter.ReplaceAllStringFunc(path, anonymous) + "?" + query
		groups[key] = append(groups[key], o)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		if group := groups[key]; len(group) > 1 {
			for _, o := range group {
				o.required, o.headers = requirements(m, o.name)
				for _, name := range o.required {
					selectors[name] = true
				}
			}
		}
	}
	for _, o := range s.operations {
		if s.id == "s3" {
			o.required, _ = requirements(m, o.name) // S3 tells its operations apart by nothing else
		}
		for _, name := range queryMembers(m, o.name) {
			if s.signing == "s3" || selectors[name] {
				o.members = append(o.members, name)
			}
		}
	}
	return nil
}

// anonymous keeps of a parameter only whether it is greedy.
func anonymous(parameter string) string {
	if strings.HasSuffix(parameter, "+}") {
		return "{+}"
	}
	return "{}"
}

// requirements are the query members and headers that a request of the operation has.
func requirements(m *model, name string) (query, headers []string) {
	input := m.Shapes[m.Operations[name].Input.Shape]
	for _, member := range input.Required {
		switch field := input.Members[member]; field.Location {
		case "querystring":
			query = append(query, field.LocationName)
		case "header":
			headers = append(headers, strings.ToLower(field.LocationName))
		}
	}
	slices.Sort(query)
	slices.Sort(headers)
	return query, headers
}

func queryMembers(m *model, name string) []string {
	var members []string
	input := m.Shapes[m.Operations[name].Input.Shape]
	for _, field := range input.Members {
		if field.Location == "querystring" {
			members = append(members, field.LocationName)
		}
	}
	slices.Sort(members)
	return members
}
