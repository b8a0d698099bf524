package veil

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ssh refuses an included file that belongs neither to root nor to its user, and
// in the user namespace root's files seem to be nobody's. So each of them is
// replaced by a copy of it that belongs to the user.
const (
	sshConfig     = "/etc/ssh/ssh_config"
	deepestNested = 16 // as ssh does
)

func ownSSH(hidden []string) error {
	files := map[string]bool{}
	included(sshConfig, hidden, 0, files)
	if len(files) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "sallyport-ssh-*")
	if err != nil {
		return fmt.Errorf("copy ssh's files: %w", err)
	}
	defer os.Remove(dir)
	if err := syscall.Mount("sallyport-ssh", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "mode=0755,size=1m"); err != nil {
		return step("mount", dir, err)
	}
	for path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // ssh cannot read it either
		}
		copied := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "-"))
		if err := os.WriteFile(copied, data, 0o444); err != nil { //nolint:gosec // as readable as the file that it stands for
			return fmt.Errorf("copy ssh's files: %w", err)
		}
		if err := syscall.Mount(copied, path, "", syscall.MS_BIND, ""); err != nil {
			return step("replace", path, err)
		}
	}
	return step("leave", dir, syscall.Unmount(dir, syscall.MNT_DETACH))
}

// included collects the files that a file of ssh includes (ssh_config(5),
// Include) and that root owns.
func included(path string, hidden []string, depth int, files map[string]bool) {
	data, err := os.ReadFile(path)
	if err != nil || depth > deepestNested {
		return
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(words) < 2 || !strings.EqualFold(words[0], "Include") {
			continue
		}
		for _, pattern := range words[1:] {
			pattern = strings.Trim(pattern, `"`)
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(sshConfig), pattern)
			}
			names, _ := filepath.Glob(pattern) // a bad pattern includes nothing
			for _, name := range names {
				real, err := filepath.EvalSymlinks(name)
				if err != nil || files[real] || Within(real, hidden) {
					continue
				}
				files[real] = true
				included(real, hidden, depth+1, files)
			}
		}
	}
}
