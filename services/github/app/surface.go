package app

import (
	"net/url"
	"strings"

	"sallyport/credentials"
)

// public is the server that everybody can use.
const public = "github.com"

// header is where a token is written.
const header = "Authorization"

// userName goes with a token that is sent as a password. GitHub ignores it.
const userName = "x-access-token"

// hostsOf lists what belongs to a server: its own names and, for github.com, those
// that its answers lead to.
func hostsOf(server string) []string {
	if server == public {
		return []string{
			"github.com", "api.github.com", "uploads.github.com", "codeload.github.com", "*.pkg.github.com", "ghcr.io",
			"raw.githubusercontent.com", "media.githubusercontent.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com",
		}
	}
	// An Enterprise Server with subdomain isolation, or a tenant of ghe.com.
	return []string{server, "*." + server}
}

// written writes a token as each of GitHub's surfaces takes it.
func written(secret string) (credentials.Form, error) {
	if _, err := credentials.Prefixed("")(secret); err != nil {
		return nil, err
	}
	password, token := credentials.Basic(userName, secret), "Bearer "+secret
	return func(u *url.URL) string {
		switch surfaceOf(u) {
		case signedDownload:
			return ""
		case bearerSurface:
			return token
		default:
			return password
		}
	}, nil
}

// surface is a part of GitHub that authenticates in one way.
type surface uint8

const (
	gitSurface     surface = iota // smart HTTP, LFS, packages: Basic
	bearerSurface                 // REST, GraphQL, uploads, raw content: Bearer
	signedDownload                // signed by the URL, which a header would spoil
)

// surfaceOf tells by the host's first label, and on an Enterprise Server by its
// paths /api/v3, /api/graphql and /api/uploads.
func surfaceOf(u *url.URL) surface {
	name := strings.ToLower(u.Hostname())
	label, _, _ := strings.Cut(name, ".")
	switch label {
	case "codeload", "media", "objects", "release-assets":
		return signedDownload
	case "api", "uploads", "raw", "npm":
		return bearerSurface
	}
	// On github.com, /api/ is the account of somebody called api.
	if strings.HasPrefix(u.EscapedPath(), "/api/") && strings.TrimSuffix(name, ".") != public {
		return bearerSurface
	}
	return gitSurface
}
