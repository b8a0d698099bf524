package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// permissions are what GitHub's two files say of each method and path.
type permissions struct {
	needed  map[string][]map[string]string
	allowed map[string]bool
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func endpoint(verb, path string) string { return verb + " " + placeholder.ReplaceAllString(path, "{}") }

func readPermissions() (*permissions, error) {
	const folder = "../../services/github/api/gen/data"
	var byPermission map[string]struct {
		Permissions []struct {
			Verb, RequestPath, Access string
			Installation              bool `json:"server-to-server"`
		}
	}
	var byCategory map[string][]struct{ Verb, RequestPath string }
	if err := readJSON(filepath.Join(folder, "server-to-server-permissions.json"), &byPermission); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(folder, "server-to-server-rest.json"), &byCategory); err != nil {
		return nil, err
	}
	p := &permissions{needed: map[string][]map[string]string{}, allowed: map[string]bool{}}
	for _, rows := range byCategory {
		for _, row := range rows {
			p.allowed[endpoint(row.Verb, row.RequestPath)] = true
		}
	}
	sets := map[string]map[string]string{}
	for name, permission := range byPermission {
		for _, row := range permission.Permissions {
			if !row.Installation {
				continue
			}
			at := endpoint(row.Verb, row.RequestPath)
			if sets[at] == nil {
				sets[at] = map[string]string{}
			}
			sets[at][name] = row.Access
		}
	}
	for at, set := range sets {
		p.allowed[at], p.needed[at] = true, alternatives(set)
	}
	return p, nil
}

func readJSON(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// alternatives reads what the file leaves open: whether several permissions are all
// needed, or one is enough. GitHub's pages about the operations say which.
func alternatives(set map[string]string) []map[string]string {
	delete(set, "workflows") // needed for some contents only, see the hub
	names := slices.Sorted(maps.Keys(set))
	for _, either := range [][]string{
		{"issues", "pull_requests"},
		{"contents", "pull_requests"},
		{"organization_administration", "organization_copilot_seat_management"},
		{"administration", "private_repository_invitations"},
	} {
		if slices.Equal(names, either) {
			return []map[string]string{{names[0]: set[names[0]]}, {names[1]: set[names[1]]}}
		}
	}
	return []map[string]string{set}
}

func (p *permissions) of(a answer) ([]map[string]string, bool) {
	if a.Server != "" { // of uploads neither file speaks
		return []map[string]string{{"contents": "write"}}, true
	}
	at := endpoint(a.Verb, a.Path)
	return p.needed[at], p.allowed[at]
}
