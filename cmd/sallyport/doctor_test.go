package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// found is one line of what doctor says.
type found struct {
	Check, Status, Detail string
	Try                   *string
}

func (f found) try() string {
	if f.Try == nil {
		return ""
	}
	return *f.Try
}

// examine is what doctor finds by a clock.
func examine(t *testing.T, now time.Time, home string, args ...string) (code int, all []found) {
	t.Helper()
	got := typeAt(t, now, home, "", append([]string{"doctor", "-o", "json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(got.out), &all), got.err)
	assert.Empty(t, got.err, "everything is in the report")
	return got.code, all
}

// assertFound asserts that doctor says this, with what to do, and fails for it.
func assertFound(t *testing.T, code int, all []found, check, status, detail, try string) {
	t.Helper()
	assert.Equal(t, 1, code, "%+v", all)
	for _, f := range all {
		if f.Check == check && f.Status == status && strings.Contains(f.Detail, detail) && strings.Contains(f.try(), try) {
			return
		}
	}
	assert.Failf(t, "not found", "%s %s %q %q in %+v", check, status, detail, try, all)
}

// tree is what is below a folder: names, modes and contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		all[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			sum := sha256.Sum256(data)
			all[path] += string(sum[:])
		}
		return nil
	}))
	return all
}

// free is sallyport.yaml with a port that the system chooses.
const free = "trust_domain: agents.internal\nlisten: 127.0.0.1:0\n"

func put(t *testing.T, home, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
}

func TestDoctorOnAHomeThatIsRight(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	put(t, home, "sallyport.yaml", free)
	before := tree(t, home)
	code, all := examine(t, time.Now(), home)
	assert.Zero(t, code, "%+v", all)
	var checks []string
	for _, f := range all {
		assert.Equal(t, "ok", f.Status, f.Check)
		assert.Nil(t, f.Try, f.Check)
		checks = append(checks, f.Check)
	}
	assert.Equal(t, []string{"home", "files", "authorities", "authorities", "clock", "disk", "roots", "server", "ports"}, checks)
	assert.Equal(t, before, tree(t, home), "it changes nothing")
	out := typeLine(t, home, "doctor").done(t)
	assert.Equal(t, len(all)+1, strings.Count(out, "\n"), "a heading, and a line for each")
}

// Each thing that is wrong is found by its own check, with what to do, whatever else is right.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	year := 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		spoil                      func(t *testing.T, home string)
		later                      time.Duration
		check, status, detail, try string
	}{
		"open to others": {
			spoil: func(t *testing.T, home string) { require.NoError(t, os.Chmod(filepath.Join(home, "state"), 0o755)) },
			check: "home", status: "failed", detail: "other users may enter it (mode 0755)",
		},
		"half of a home": {
			spoil: func(t *testing.T, home string) {
				require.NoError(t, os.Mkdir(filepath.Join(home, ".restoring"), 0o700))
			},
			check: "home", status: "failed", detail: "is half a home",
		},
		"a mistake": {
			spoil: func(t *testing.T, home string) { put(t, home, "owners.yaml", "people: {dana: {nam: D}}\n") },
			check: "files", status: "failed", detail: "owners.yaml:1: people.dana.nam: unknown key", try: "correct the file",
		},
		"a setting to think about": {
			spoil: func(t *testing.T, home string) {
				put(t, home, "sallyport.yaml", free+"upstream: {allow_networks: [0.0.0.0/0]}\n")
			},
			check: "files", status: "warning", detail: "lets every agent reach every private address",
		},
		"no key of an authority": {
			spoil: func(t *testing.T, home string) {
				require.NoError(t, os.Remove(filepath.Join(home, "state/ca/interception-ca.key")))
			},
			check: "authorities", status: "failed", detail: "interception-ca.key", try: "restore state/ca from a backup",
		},
		"authorities that end soon": {
			later: 10*year - 30*24*time.Hour, check: "authorities", status: "warning", detail: "the agent authority ends at ", try: "plan a new home",
		},
		"authorities that have ended": {
			later: 11 * year, check: "authorities", status: "failed", detail: "the interception authority ended at ", try: "plan a new home",
		},
		"a clock that is wrong": {
			later: -10 * year, check: "clock", status: "failed", detail: "which is before a certificate of this home was made", try: "set the clock",
		},
		"a port that is taken": {
			spoil: func(t *testing.T, home string) {
				put(t, home, "sallyport.yaml", "trust_domain: agents.internal\nlisten: "+taken.Addr().String()+"\n")
			},
			check: "ports", status: "failed", detail: "sallyport.yaml: listen: ", try: "another program uses " + taken.Addr().String(),
		},
		"an address of another machine": {
			spoil: func(t *testing.T, home string) {
				put(t, home, "sallyport.yaml", free+"health: {listen: \"192.0.2.1:8444\"}\n")
			},
			check: "ports", status: "failed", detail: "health.listen: ", try: "choose an address of this machine",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			put(t, home, "sallyport.yaml", free)
			if c.spoil != nil {
				c.spoil(t, home)
			}
			code, all := examine(t, time.Now().Add(c.later), home)
			assertFound(t, code, all, c.check, c.status, c.detail, c.try)
		})
	}
}

// An identity folder is looked at where its sidecar runs, without a home.
func TestDoctorOnAnIdentityFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil                      func(t *testing.T, folder string)
		later                      time.Duration
		check, status, detail, try string
	}{
		"no folder": {
			spoil: func(t *testing.T, folder string) { require.NoError(t, os.RemoveAll(folder)) },
			check: "folder", status: "failed", detail: "agent.json: no such file", try: "give --identity DIR",
		},
		"half of one": {
			spoil: func(t *testing.T, folder string) { require.NoError(t, os.Remove(filepath.Join(folder, "ca.crt"))) },
			check: "folder", status: "failed", detail: "ca.crt: no such file", try: "sallyport agent renew NAME --out ",
		},
		"a key that others read": {
			spoil: func(t *testing.T, folder string) {
				require.NoError(t, os.Chmod(filepath.Join(folder, "agent.key"), 0o640))
			},
			check: "key", status: "failed", detail: "other users may read it (mode 0640)", try: "chmod 600 ",
		},
		"another agent's key": {
			spoil: func(t *testing.T, folder string) {
				put(t, folder, "agent.key", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
			},
			check: "certificate", status: "failed", try: "writes all files anew",
		},
		"the end is near": {
			later: 23*time.Hour + 30*time.Minute, check: "certificate", status: "warning", detail: " ends at ", try: "sallyport agent renew",
		},
		"the end": {later: 25 * time.Hour, check: "certificate", status: "failed", detail: " ended at ", try: "sallyport agent renew"},
		"a bundle without the system's authorities": {
			spoil: func(t *testing.T, folder string) {
				ca, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
				require.NoError(t, err)
				put(t, folder, "bundle.crt", string(ca))
			},
			check: "bundle", status: "warning", detail: "it holds Sallyport's authority alone", try: "install ca-certificates",
		},
		"an unknown proxy": {
			check: "proxy", status: "warning", detail: "the folder does not say where the proxy is", try: "--proxy HOST:PORT",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			put(t, home, "sallyport.yaml", free) // whose port nobody knows before it is open
			folder := newAgent(t, home, "builder")
			if c.spoil != nil {
				c.spoil(t, folder)
			}
			nowhere := filepath.Join(t.TempDir(), "nowhere")
			code, all := examine(t, time.Now().Add(c.later), nowhere, "--agent", folder)
			assertFound(t, code, all, c.check, c.status, c.detail, c.try)
			assert.NoDirExists(t, nowhere)
		})
	}
}
