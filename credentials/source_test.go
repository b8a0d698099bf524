package credentials_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// written applies the credential to a request and returns the bearer token that came out.
func written(t *testing.T, c *credentials.Credential) string {
	t.Helper()
	i, err := c.Retrieve(t.Context(), credentials.Use{})
	require.NoError(t, err)
	r := request(t, "https://h.example/")
	require.NoError(t, i.Apply(r))
	return r.Header.Get("Authorization")[len("Bearer "):]
}

// refused retrieves the credential, which must fail without a word of the secret.
func refused(t *testing.T, c *credentials.Credential) string {
	t.Helper()
	i, err := c.Retrieve(t.Context(), credentials.Use{})
	require.Error(t, err)
	assert.Nil(t, i)
	requireSilent(t, err.Error())
	assert.Contains(t, err.Error(), "credential a: ")
	return err.Error()
}

func bearer(t *testing.T, o credentials.Options, source string) *credentials.Credential {
	t.Helper()
	return parse(t, "credentials: {a: {kind: bearer, hosts: [h.example], secret: "+source+"}}", o).Lookup("a")
}

func TestOneLineBreakAtTheEndIsDropped(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		canary: canary, canary + "\n": canary, canary + "\r\n": canary, "é" + canary + "\n": "é" + canary,
		"\ufeff" + canary + "\r\n": canary, "\xe9" + canary: "\xe9" + canary, // a byte order mark goes too
	} {
		assert.Equal(t, want, written(t, bearer(t, options(t, "A", raw), "{env: A}")))
	}
	for raw, want := range map[string]string{
		"": "it is empty", "\n": "it is empty", "\r\n": "it is empty", canary + "\n\n": "control character", canary + "\r": "control character",
		canary + "\x00": "control character", canary + "\tx": "control character", canary + "\x7f": "control character",
		" " + canary: "white space", canary + " \n": "white space", "\ufeff": "it is empty",
		"\xff\xfes\x00e\x00c\x00": "it is UTF-16", "\xfe\xff\x00s": "it is UTF-16",
		"\u200b" + canary: "an invisible character (U+200B)", canary + "\u00a0\n": "an invisible character (U+00A0)", canary + "\ufeff": "(U+FEFF)",
	} {
		assert.Contains(t, refused(t, bearer(t, options(t, "A", raw), "{env: A}")), want)
	}
}

func TestEnvironmentIsReadOnce(t *testing.T) {
	t.Parallel()
	value := canary
	o := options(t)
	o.Getenv = func(string) string { return value }
	c := bearer(t, o, "{env: A}")
	value = "another"
	assert.Equal(t, canary, written(t, c))
	o.Getenv = nil
	assert.Contains(t, refused(t, bearer(t, o, "{env: A}")), "environment variable A: it is empty")
}

// secretFile writes a secret file of the mode 0600 into the home folder.
func secretFile(t *testing.T, o credentials.Options, name, content string) string {
	t.Helper()
	path := filepath.Join(o.Home, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// glancing makes every look at a secret file come later than a look holds.
func glancing(o *credentials.Options) {
	clock := time.Now()
	o.Now = func() time.Time {
		clock = clock.Add(100 * time.Millisecond)
		return clock
	}
}

func TestFileIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	o := options(t)
	glancing(&o)
	path := secretFile(t, o, "a.key", canary+"1\n")
	c := bearer(t, o, "{file: a.key}")
	assert.Equal(t, canary+"1", written(t, c))

	secretFile(t, o, "a.key", canary+"2\n") // in place, same size, maybe in the same tick
	assert.Equal(t, canary+"2", written(t, c))

	secretFile(t, o, "next", canary+"3\n") // atomically
	require.NoError(t, os.Rename(filepath.Join(o.Home, "next"), path))
	assert.Equal(t, canary+"3", written(t, c))

	old := time.Now().Add(-time.Hour) // settled: only a change is read
	require.NoError(t, os.Chtimes(path, old, old))
	first, err := c.Retrieve(t.Context(), credentials.Use{})
	require.NoError(t, err)
	again, err := c.Retrieve(t.Context(), credentials.Use{})
	require.NoError(t, err)
	assert.Same(t, first, again)

	secretFile(t, o, "next", canary+"4\n") // the same size and time, another file
	require.NoError(t, os.Chtimes(filepath.Join(o.Home, "next"), old, old))
	require.NoError(t, os.Rename(filepath.Join(o.Home, "next"), path))
	assert.Equal(t, canary+"4", written(t, c))

	require.NoError(t, os.Remove(path))
	assert.Contains(t, refused(t, c), "read file "+path+": no such file")
	secretFile(t, o, "a.key", canary+"5")
	assert.Equal(t, canary+"5", written(t, c))
}

func TestFileBehindReplacedSymlinksIsReadAgain(t *testing.T) {
	t.Parallel()
	o := options(t) // the layout of a mounted ConfigMap or Secret
	glancing(&o)
	secretFile(t, o, "mount/..1/key", canary+"1")
	secretFile(t, o, "mount/..2/key", canary+"2")
	mount := filepath.Join(o.Home, "mount")
	require.NoError(t, os.Symlink("..1", filepath.Join(mount, "..data")))
	require.NoError(t, os.Symlink("..data/key", filepath.Join(mount, "key")))
	c := bearer(t, o, "{file: mount/key}")
	assert.Equal(t, canary+"1", written(t, c))
	require.NoError(t, os.Symlink("..2", filepath.Join(mount, "..new")))
	require.NoError(t, os.Rename(filepath.Join(mount, "..new"), filepath.Join(mount, "..data")))
	assert.Equal(t, canary+"2", written(t, c))
}

func TestFileThatOthersCanChangeIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(t *testing.T, home, path string)
		want   string
	}{
		"group-writable":  {func(t *testing.T, _, path string) { require.NoError(t, os.Chmod(path, 0o620)) }, "can be written by others (mode 0620); run chmod go-w on it"},
		"world-writable":  {func(t *testing.T, _, path string) { require.NoError(t, os.Chmod(path, 0o602)) }, "can be written by others"},
		"folder":          {func(t *testing.T, _, path string) { require.NoError(t, os.Chmod(filepath.Dir(path), 0o777)) }, "/keys can be written by others"},
		"grandparent":     {func(t *testing.T, home, _ string) { require.NoError(t, os.Chmod(home, 0o770)) }, "can be written by others"},
		"another's":       {func(t *testing.T, _, path string) { chown(t, path) }, "belongs to another user"},
		"another's link":  {func(t *testing.T, _, path string) { relink(t, path); chown(t, path) }, "is a symlink of another user"},
		"another's place": {func(t *testing.T, _, path string) { chown(t, filepath.Dir(path)) }, "belongs to another user"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			path := secretFile(t, o, "keys/a.key", canary)
			old := time.Now().Add(-time.Hour)
			require.NoError(t, os.Chtimes(path, old, old))
			c := bearer(t, o, "{file: keys/a.key}")
			assert.Equal(t, canary, written(t, c))
			test.change(t, o.Home, path)
			_, err := credentials.Parse("c.yaml", []byte("credentials: {a: {kind: bearer, hosts: [h.example], secret: {file: keys/a.key}}}"), o)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "c.yaml:1: credentials.a.secret.file: ")
			if name == "group-writable" || name == "world-writable" {
				assert.Contains(t, refused(t, c), test.want, "a change of mode counts at the next request")
			}
		})
	}
}

func chown(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	require.NoError(t, os.Lchown(path, 12345, 12345))
}

func relink(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Rename(path, path+".real"))
	require.NoError(t, os.Symlink(path+".real", path))
}

func TestOwnFileThatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	o := options(t)
	path := secretFile(t, o, "credentials.yaml", "credentials:\n")
	require.NoError(t, os.Chmod(path, 0o666))
	_, err := credentials.Parse("credentials.yaml", nil, o)
	require.EqualError(t, err, "credentials.yaml: "+path+" can be written by others (mode 0666); run chmod go-w on it")
	_, err = credentials.Parse(path, nil, o)
	require.Error(t, err)
	require.NoError(t, os.Chmod(path, 0o600))
	assert.Empty(t, parse(t, "", o).Warnings())
}

// A volume may give its files to a group, as fsGroup does in Kubernetes.
func TestATrustedGroupMayWrite(t *testing.T) {
	t.Parallel()
	const text = "credentials: {a: {kind: bearer, hosts: [h.example], secret: {file: keys/a.key}}, b: {kind: bearer, hosts: [h.example], secret: {exec: [keys/run.sh]}}}"
	o := options(t)
	gid := os.Getegid()
	if os.Geteuid() == 0 {
		gid = 12345
	}
	own := secretFile(t, o, "credentials.yaml", text)
	secret := secretFile(t, o, "keys/a.key", canary)
	command := secretFile(t, o, "keys/run.sh", "#!/bin/sh\necho "+canary+"\n")
	for path, mode := range map[string]os.FileMode{own: 0o660, secret: 0o660, command: 0o770, filepath.Dir(secret): 0o770 | os.ModeSetgid, o.Home: 0o770} {
		require.NoError(t, os.Lchown(path, -1, gid))
		require.NoError(t, os.Chmod(path, mode))
	}
	_, err := credentials.Parse("credentials.yaml", []byte(text), o)
	require.ErrorContains(t, err, "can be written by others (mode 0770); run chmod go-w on it; or mount its volume read-only; or write trust_group: "+strconv.Itoa(gid)+" in sallyport.yaml")

	o.TrustGroup = credentials.TrustedGroup(uint32(gid))
	set := parse(t, text, o)
	assert.Empty(t, set.Warnings())
	assert.Equal(t, canary, written(t, set.Lookup("a")))
	assert.Equal(t, canary, written(t, set.Lookup("b")))

	require.NoError(t, os.Chmod(secret, 0o664))
	assert.Contains(t, parse(t, text, o).Warnings()[0], "a.key can be read by others")
	require.NoError(t, os.Chmod(secret, 0o662))
	_, err = credentials.Parse("credentials.yaml", []byte(text), o)
	require.ErrorContains(t, err, "can be written by others (mode 0662); run chmod go-w on it")
	assert.NotContains(t, err.Error(), "trust_group", "which would not help")

	require.NoError(t, os.Chmod(secret, 0o660))
	o.TrustGroup = credentials.TrustedGroup(uint32(gid + 1))
	_, err = credentials.Parse("credentials.yaml", []byte(text), o)
	require.ErrorContains(t, err, "can be written by others", "another group is none of it")
}

func TestFileThatIsNoOrdinaryOneIsRefused(t *testing.T) {
	t.Parallel()
	o := options(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(o.Home, "fifo"), 0o600))
	require.NoError(t, os.Symlink("loop", filepath.Join(o.Home, "loop")))
	require.NoError(t, os.WriteFile(filepath.Join(o.Home, "large"), make([]byte, 1<<20), 0o600))
	for source, want := range map[string]string{
		"{file: fifo}": "not a regular file", "{file: .}": "not a regular file", "{file: loop}": "too many symlinks",
		"{file: large}": "larger than 64 KiB", "{file: fifo/x}": "not a directory", "{file: ../../../nothing/there}": "no such file",
	} {
		assert.Contains(t, refused(t, bearer(t, o, source)), want, source)
	}
}

func TestPrintingASetTellsNothing(t *testing.T) {
	t.Parallel()
	o := options(t, "KEY", canary, "OTHER", canary)
	set := parse(t, every, o)
	c := set.Lookup("basic")
	i, err := c.Retrieve(t.Context(), credentials.Use{})
	require.NoError(t, err)
	for _, value := range []any{set, *set, c, i, []any{c, i}, struct{ I *credentials.Injection }{i}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			requireSilent(t, fmt.Sprintf(format, value))
		}
	}
}
