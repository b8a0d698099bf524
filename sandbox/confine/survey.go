package confine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Survey is what is found in a folder that a command may write.
type Survey struct {
	Later  []string // files and folders that programs outside run, or take orders from
	Agents []string // folders with an agent's key
}

// later are names of what is run, or obeyed, when somebody works in a folder: by a shell,
// an editor, or a harness.
var later = []string{ //nolint:gochecknoglobals // a constant list
	".envrc", ".vscode", ".idea", ".zed", ".fleet", ".devcontainer", ".devcontainer.json", ".husky", ".pre-commit-config.yaml",
	".mise.toml", ".tool-versions", ".exrc", ".vimrc", ".nvim.lua", ".nvimrc", ".dir-locals.el", ".gitconfig",
	".claude", ".mcp.json", ".codex", ".gemini", ".cursor", ".opencode", "opencode.json",
	".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin",
	".ssh", ".config", ".pam_environment", ".xprofile", ".xsession",
}

// laterOfGit are names in a repository's own folder. The last one says that its configuration
// is elsewhere (gitrepository-layout(5)).
var laterOfGit = []string{"hooks", "config", "config.worktree", "commondir"} //nolint:gochecknoglobals // a constant list

const (
	keyOfOne  = "agent.key"
	gitFolder = ".git"
)

// Look looks through a folder for what a command in a jail must not change, or not see: what
// lies near the top first, and no more than so many entries.
func Look(folder string, most int) Survey {
	var s Survey
	folders := []string{folder}
	for seen := 0; len(folders) > 0 && seen < most; folders = folders[1:] {
		entries, err := os.ReadDir(folders[0])
		if err != nil {
			continue
		}
		seen += len(entries)
		for _, entry := range entries {
			if inner := s.see(folders[0], entry); inner != "" {
				folders = append(folders, inner)
			}
		}
	}
	return s
}

// see takes one entry, and returns the folder that has to be looked into.
func (s *Survey) see(folder string, entry os.DirEntry) (inner string) {
	name, path := entry.Name(), filepath.Join(folder, entry.Name())
	switch {
	case name == keyOfOne:
		s.Agents = append(s.Agents, folder)
	case name == gitFolder && entry.IsDir():
		s.repository(path)
	case slices.Contains(later, name):
		s.Later = append(s.Later, path)
	case entry.IsDir():
		return path
	}
	return ""
}

// repository finds what git runs and obeys, in submodules and worktrees too.
func (s *Survey) repository(git string) {
	for _, name := range laterOfGit {
		if _, err := os.Lstat(filepath.Join(git, name)); err == nil {
			s.Later = append(s.Later, filepath.Join(git, name))
		}
	}
	for _, inner := range []string{"modules", "worktrees"} {
		entries, _ := os.ReadDir(filepath.Join(git, inner))
		for _, entry := range entries {
			if entry.IsDir() {
				s.repository(filepath.Join(git, inner, entry.Name()))
			}
		}
	}
}

// Work is what a command may write that is started in a folder: the repository that it is
// in, or the folder itself. The home as a whole, and what that lies in, is neither.
func Work(folder, home string) []string {
	if tooWide(folder, home) {
		return nil
	}
	top := folder
	for dir := folder; !tooWide(dir, home); dir = filepath.Dir(dir) {
		info, err := os.Lstat(filepath.Join(dir, gitFolder))
		if err != nil {
			continue
		}
		top = dir
		if info.Mode().IsRegular() { // a worktree: its repository is elsewhere
			if common := repositoryOf(filepath.Join(dir, gitFolder)); common != "" && !tooWide(common, home) {
				return []string{top, common}
			}
		}
		break
	}
	return []string{top}
}

func tooWide(folder, home string) bool {
	return folder == "/" || home != "" && (folder == home || strings.HasPrefix(home, folder+"/"))
}

// repositoryOf is the folder of the repository that a worktree belongs to
// (gitrepository-layout(5)).
func repositoryOf(link string) string {
	data, err := os.ReadFile(link)
	dir, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "gitdir: ")
	if err != nil || !ok {
		return ""
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(link), dir)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil {
		common := strings.TrimSpace(string(data))
		if !filepath.IsAbs(common) {
			common = filepath.Join(dir, common)
		}
		dir = common
	}
	if filepath.Base(dir) != gitFolder {
		return "" // it could be any folder: who wrote the link decides
	}
	return filepath.Clean(dir)
}

// Made lists what has come to a folder, or been changed in it, since the first look at it, of
// what programs outside run or take orders from.
func Made(before, after Survey, start time.Time) []string {
	var made []string
	for _, path := range after.Later {
		if !slices.Contains(before.Later, path) && changed(path).After(start) {
			made = append(made, path) // what the first look did not reach is older
		}
	}
	return made
}
