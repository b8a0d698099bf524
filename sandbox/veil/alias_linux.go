package veil

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Everywhere adds to paths where else the same files are mounted: a folder that
// is hidden at one place and stands open at another is not hidden.
func Everywhere(paths []string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("look for other ways to the files: %w", err)
	}
	mounts := parseMounts(string(data))
	all := slices.Clone(paths)
	for _, path := range paths {
		all = append(all, aliases(path, mounts)...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// mount is one line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct{ device, root, point string }

func parseMounts(text string) []mount {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var mounts []mount
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 4 {
			mounts = append(mounts, mount{device: f[2], root: unescape.Replace(f[3]), point: unescape.Replace(f[4])})
		}
	}
	return mounts
}

func aliases(path string, mounts []mount) []string {
	var in *mount
	for i, m := range mounts { // of several at one point the last one is on top
		if Within(path, []string{m.point}) && (in == nil || len(m.point) >= len(in.point)) {
			in = &mounts[i]
		}
	}
	info, err := os.Stat(path)
	if in == nil || err != nil {
		return nil
	}
	inside := filepath.Join(in.root, strings.TrimPrefix(path, in.point))
	var found []string
	for _, m := range mounts {
		if m.device != in.device {
			continue
		}
		if Within(m.root, []string{inside}) && !Within(m.point, []string{path}) {
			found = append(found, m.point) // a part of it, mounted elsewhere
			continue
		}
		other := filepath.Join(m.point, strings.TrimPrefix(inside, strings.TrimSuffix(m.root, "/")))
		if !Within(inside, []string{m.root}) || other == path {
			continue
		}
		if there, err := os.Stat(other); err == nil && os.SameFile(info, there) {
			found = append(found, other)
		}
	}
	return found
}
