package environment

import (
	_ "embed"
	"path/filepath"
	"slices"
	"strings"
)

// The files beside the bundle, for clients that a variable can only lead to a file.
const (
	WgetFile = "wgetrc"
	AptFile  = "apt.conf"
	PHPFile  = "php.ini"
	NodeFile = "node.crt" // the bundle and what the listener's certificate chains to
	// NodePreload has a Node that is too old to read proxy variables go through the proxy.
	NodePreload = "node-proxy.cjs"
)

//go:embed proxy.cjs
var nodePreload string

// FileNames are the names of all of them.
func FileNames() []string { return []string{WgetFile, AptFile, PHPFile, NodeFile, NodePreload} }

// A File is one that clients read, with what must be in it.
type File struct{ Name, Content string }

// Files are what belongs into an identity folder beside the bundle, whose name in
// it is given. They name the folder by its path, so that one which has moved since
// has others. What a client's file cannot say of a path is left out.
func Files(folder, bundle, bundlePEM, caPEM string) []File {
	path := filepath.Join(folder, bundle)
	// PHP follows the variable, whatever the path is.
	files := []File{
		{PHPFile, "; For PHP's curl and openssl.\ncurl.cainfo = \"${SSL_CERT_FILE}\"\nopenssl.cafile = \"${SSL_CERT_FILE}\"\n"},
		{NodeFile, strings.TrimRight(bundlePEM, "\n") + "\n" + caPEM},
		{NodePreload, nodePreload},
	}
	if !strings.ContainsAny(path, "\n\r\x00") && strings.TrimSpace(path) == path {
		files = append(files, File{WgetFile, "# For wget.\nca_certificate = " + path + "\n"})
	}
	if !strings.ContainsAny(path, "\n\r\x00\"\\") {
		files = append(files, File{AptFile, "// For apt.\nAcquire::https::CAInfo \"" + path + "\";\n"})
	}
	return files
}

func (c Config) has(file string) bool { return slices.Contains(c.Files, file) }

func (c Config) file(name string) string { return filepath.Join(c.Folder, name) }

// files: wget, apt and PHP read no variable that names certificates.
func (l *list) files(c Config) {
	if c.has(WgetFile) {
		l.set(c.file(WgetFile), "WGETRC")
	}
	if c.has(AptFile) {
		l.set(c.file(AptFile), "APT_CONFIG")
	}
	if c.has(PHPFile) && !strings.Contains(c.Folder, ":") {
		// What is before the colon, nothing, stands for the folder that PHP was built with.
		l.set(":"+c.Folder, "PHP_INI_SCAN_DIR")
	}
}

// Preloading is the value of NODE_OPTIONS by which Node loads what is in folder, behind the
// options that are there.
func Preloading(folder, options string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(filepath.Join(folder, NodePreload))
	return strings.TrimSpace(options + ` --require "` + quoted + `"`)
}
