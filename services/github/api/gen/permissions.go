package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type permissionFile map[string]struct {
	Permissions []struct {
		Verb, RequestPath, Access string
		Additional                bool `json:"additional-permissions"`
		ServerToServer            bool `json:"server-to-server"`
	}
}

type restFile map[string][]struct{ Verb, RequestPath string }

// grant is one row of the permission file.
type grant struct {
	permission, access string
	additional         bool
}

func addPermissions(ops operations, folder string) ([]string, error) {
	grants, err := readGrants(ops, filepath.Join(folder, "server-to-server-permissions.json"))
	if err != nil {
		return nil, err
	}
	if err := markInstallation(ops, filepath.Join(folder, "server-to-server-rest.json")); err != nil {
		return nil, err
	}
	for at, rows := range grants {
		ops[at].sets, ops[at].settled = setsOf(rows)
	}
	if err := shareRange(ops); err != nil {
		return nil, err
	}
	if err := addReviewed(ops, filepath.Join(folder, "permissions.txt")); err != nil {
		return nil, err
	}
	var sources []string
	for _, name := range []string{"server-to-server-permissions.json", "server-to-server-rest.json"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		sources = append(sources, fmt.Sprintf("%s fpt-2026-03-10 sha256:%x", name, sha256.Sum256(data)))
	}
	return sources, nil
}

func readGrants(ops operations, file string) (map[endpoint][]grant, error) {
	var data permissionFile
	if err := readJSON(file, &data); err != nil {
		return nil, err
	}
	grants := map[endpoint][]grant{}
	for permission, p := range data {
		for _, row := range p.Permissions {
			at := endpoint{strings.ToUpper(row.Verb), row.RequestPath}
			if ops[at] == nil {
				return nil, fmt.Errorf("%s: %s %s is in no OpenAPI description", file, at.method, at.template)
			}
			if row.ServerToServer {
				grants[at] = append(grants[at], grant{permission, row.Access, row.Additional})
				ops[at].installation = true
			}
		}
	}
	return grants, nil
}

func markInstallation(ops operations, file string) error {
	var data restFile
	if err := readJSON(file, &data); err != nil {
		return err
	}
	for _, rows := range data {
		for _, row := range rows {
			at := endpoint{strings.ToUpper(row.Verb), row.RequestPath}
			if ops[at] == nil {
				return fmt.Errorf("%s: %s %s is in no OpenAPI description", file, at.method, at.template)
			}
			ops[at].installation = true
		}
	}
	return nil
}

// setsOf reads rows as alternatives, least first. One row without additional permissions
// is what GitHub asks, settled. Otherwise the file does not say whether they are all
// needed or any one is enough (see the data's known ambiguities).
func setsOf(rows []grant) (sets []string, settled bool) {
	slices.SortFunc(rows, func(a, b grant) int {
		return cmp.Or(cmp.Compare(level(a.access), level(b.access)), cmp.Compare(weight(a.permission), weight(b.permission)), cmp.Compare(a.permission, b.permission))
	})
	for _, r := range rows {
		sets = append(sets, r.permission+"="+r.access)
	}
	sets = slices.Compact(sets)
	if len(rows) == 1 {
		return sets, !rows[0].additional
	}
	// 36 operations that serve issues and pull requests alike, where either permission is enough.
	either := len(sets) == 2 && strings.HasPrefix(sets[0], "issues=") && strings.HasPrefix(sets[1], "pull_requests=")
	return sets, either
}

// weight puts administration last among alternatives: it opens the most.
func weight(permission string) int {
	if strings.HasSuffix(permission, "administration") {
		return 1
	}
	return 0
}

func level(access string) int { return slices.Index([]string{"read", "write", "admin"}, access) }

// shareRange gives the older template of a comparison what the newer one has: both are
// the same request, and the data names only the newer.
func shareRange(ops operations) error {
	older := ops[endpoint{"GET", "/repos/{owner}/{repo}/compare/{base}...{head}"}]
	newer := ops[endpoint{"GET", "/repos/{owner}/{repo}/compare/{basehead}"}]
	if older == nil || newer == nil {
		return fmt.Errorf("the two comparison templates are not both described")
	}
	older.sets, older.settled, older.installation = newer.sets, newer.settled, newer.installation
	return nil
}

func addReviewed(ops operations, file string) error {
	lines, err := readLines(file)
	if err != nil {
		return err
	}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		rest, guessed := strings.CutPrefix(strings.TrimSpace(rest), "?")
		found := ops.named(name)
		if len(found) == 0 {
			return fmt.Errorf("%s: no operation is called %s", file, name)
		}
		var sets []string
		for set := range strings.SplitSeq(rest, ";") {
			sets = append(sets, strings.TrimSpace(set))
		}
		for _, o := range found {
			o.sets, o.settled, o.installation = sets, !guessed, true
		}
	}
	return nil
}

// readWhole reads a reviewed list whose remarks matter.
func readWhole(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// remarksOf reads what stands behind the names of a reviewed list.
func remarksOf(file string) (map[string]string, error) {
	lines, err := readWhole(file)
	if err != nil {
		return nil, err
	}
	remarks := map[string]string{}
	for _, line := range lines {
		name, remark, _ := strings.Cut(line, "#")
		remarks[strings.TrimSpace(name)] = cmp.Or(strings.TrimSpace(remark), "listed")
	}
	return remarks, nil
}

// readLines reads a reviewed list: one entry a line, what follows # is a remark.
func readLines(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var lines []string
	scanner := bufio.NewScanner(bytes.NewReader(data))
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, scanner.Err()
}
