package hub

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// repository is one bare repository, and what else GitHub keeps beside it.
type repository struct {
	id          int64
	owner, name string
	dir         string
	deleted     bool
	was         []string // its names before, "owner/name"
	pulls       []object
	issues      []object
	releases    []*release
}

type release struct {
	id     int64
	tag    string
	assets []*asset
}

type asset struct {
	id        int64
	tag, name string
	data      []byte
}

func (r *repository) full() string { return r.owner + "/" + r.name }

// node is the repository's GraphQL id, which does not tell its name.
func (r *repository) node() string { return "R_" + strconv.FormatInt(r.id, 36) }

func (h *Hub) root() string { return filepath.Join(h.Dir, "repositories") }

const settings = `
[http]
	receivepack = true
[receive]
	advertisePushOptions = true
	unpackLimit = 1
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[gc]
	auto = 0
[core]
	bigFileThreshold = 1m
	fsync = none
`

// addRepository makes a repository with one commit on main, where there is a disk.
func (h *Hub) addRepository(full string) error {
	owner, name, _ := strings.Cut(full, "/")
	r := &repository{id: 1296000 + int64(len(h.repositories)), owner: owner, name: name, dir: filepath.Join(h.root(), owner, name+".git")}
	r.issues = []object{h.issue(r, 1, "first")}
	h.repositories = append(h.repositories, r)
	if h.Dir == "" {
		return nil
	}
	if _, err := git("", "init", "-q", "--bare", "-b", "main", r.dir); err != nil {
		return err
	}
	config, err := os.OpenFile(filepath.Join(r.dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := config.WriteString(settings); err != nil {
		return errors.Join(err, config.Close())
	}
	if err := config.Close(); err != nil {
		return err
	}
	// As fast-import, for it needs no work tree.
	content := "Sources of " + full + ".\n"
	stream := fmt.Sprintf("commit refs/heads/main\ncommitter Dana <dana@example.com> 1700000000 +0000\ndata 5\nfirst\nM 100644 inline README.md\ndata %d\n%s\n", len(content), content)
	cmd := exec.Command("git", "-C", r.dir, "fast-import", "--quiet")
	cmd.Stdin, cmd.Env = strings.NewReader(stream), gitEnvironment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git fast-import: %w\n%s", err, out)
	}
	return nil
}

func gitEnvironment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}
}

// git runs git in a folder and returns what it prints.
func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, gitEnvironment()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}

// find looks a repository up by name, as GitHub does: without case.
func (h *Hub) find(owner, name string) *repository {
	for _, r := range h.repositories {
		if strings.EqualFold(r.owner, owner) && strings.EqualFold(r.name, name) && !r.deleted {
			return r
		}
	}
	return nil
}

// renamed finds a repository by a name that it had.
func (h *Hub) renamed(owner, name string) *repository {
	for _, r := range h.repositories {
		if !r.deleted && slices.ContainsFunc(r.was, func(was string) bool { return strings.EqualFold(was, owner+"/"+name) }) {
			return r
		}
	}
	return nil
}

// Rename gives a repository another name; the one that it had leads to it as long as no other
// has it.
func (h *Hub) Rename(full, to string) error {
	owner, name, _ := strings.Cut(full, "/")
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.find(owner, name)
	if r == nil {
		return fmt.Errorf("there is no repository %s", full)
	}
	r.was = append(r.was, r.full())
	r.owner, r.name, _ = strings.Cut(to, "/")
	return nil
}

// Number is a repository's; 0 if there is none of the name.
func (h *Hub) Number(full string) int64 {
	owner, name, _ := strings.Cut(full, "/")
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.find(owner, name); r != nil {
		return r.id
	}
	return 0
}

func (h *Hub) byID(id int64) *repository {
	for _, r := range h.repositories {
		if r.id == id && !r.deleted {
			return r
		}
	}
	return nil
}

func (h *Hub) byNode(node string) *repository {
	for _, r := range h.repositories {
		if r.node() == node && !r.deleted {
			return r
		}
	}
	return nil
}

// show is a repository as the API shows it.
func (h *Hub) show(r *repository) object {
	return object{
		"id": r.id, "node_id": r.node(), "name": r.name, "full_name": r.full(), "private": true, "default_branch": "main",
		"owner":     object{"login": r.owner, "id": 1, "type": "Organization"},
		"html_url":  "https://" + h.Web + "/" + r.full(),
		"clone_url": "https://" + h.Web + "/" + r.full() + ".git", "url": h.apiURL() + "/repos/" + r.full(),
	}
}

func (h *Hub) apiURL() string {
	if h.enterprise() {
		return "https://" + h.Web + "/api/v3"
	}
	return "https://api.github.com"
}

// Refs lists a repository's refs, each as "NAME ID".
func (h *Hub) Refs(full string) ([]string, error) {
	owner, name, _ := strings.Cut(full, "/")
	h.mu.Lock()
	r := h.find(owner, name)
	h.mu.Unlock()
	if r == nil {
		return nil, fmt.Errorf("there is no repository %s", full)
	}
	out, err := git(r.dir, "for-each-ref", "--format=%(refname) %(objectname)")
	return strings.Split(strings.TrimSpace(out), "\n"), err
}
