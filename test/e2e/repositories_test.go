package e2e_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
)

// newGit serves bare repositories over smart HTTP, and makes the empty one that
// the tests work on: /work/web.git.
func newGit(root string) (http.Handler, error) {
	for _, args := range [][]string{
		{"init", "-q", "--bare", "-b", "main", filepath.Join(root, "work", "web.git")},
		{"-C", filepath.Join(root, "work", "web.git"), "config", "http.receivepack", "true"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make a repository: %w\n%s", err, out)
		}
	}
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=agent"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// CGI has no body without a length, which git sends for every push above 1 MiB.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
		if err != nil {
			http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		backend.ServeHTTP(w, r)
	}), nil
}

// newModuleProxy serves one Go module in the protocol of the module proxy.
func newModuleProxy() (http.Handler, error) {
	const module, version = "example.com/greeting", "v1.0.0"
	gomod := "module " + module + "\n"
	var archive bytes.Buffer
	zw := zip.NewWriter(&archive)
	for name, content := range map[string]string{"go.mod": gomod, "greeting.go": "package greeting\n\nconst Hello = \"hello\"\n"} {
		f, err := zw.Create(module + "@" + version + "/" + name)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(f, content); err != nil {
			return nil, err
		}
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	files := map[string]string{
		"list": version + "\n", version + ".info": `{"Version":"` + version + `"}`,
		version + ".mod": gomod, version + ".zip": archive.String(),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[strings.TrimPrefix(r.URL.Path, "/"+module+"/@v/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, content)
	}), nil
}

// newRegistry serves one npm package.
func newRegistry() (http.Handler, error) {
	var archive bytes.Buffer
	gz := gzip.NewWriter(&archive)
	tw := tar.NewWriter(gz)
	for name, content := range map[string]string{
		"package.json": `{"name":"greeting","version":"1.0.0","main":"index.js"}`, "index.js": `module.exports = "hello";`,
	} {
		if err := tw.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(tw, content); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	sum := sha512.Sum512(archive.Bytes())
	type object = map[string]any
	document, err := json.Marshal(object{
		"name": "greeting", "dist-tags": object{"latest": "1.0.0"},
		"versions": object{"1.0.0": object{"name": "greeting", "version": "1.0.0", "main": "index.js", "dist": object{
			"tarball":   "https://" + packages + "/greeting/-/greeting-1.0.0.tgz",
			"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
		}}},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /greeting", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	mux.HandleFunc("GET /greeting/-/greeting-1.0.0.tgz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(archive.Bytes())
	})
	return mux, nil
}
