package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v66/github"

	"sallyport/credentials"
)

// find looks up the installation of an owner. Nothing but the owner's name goes into it: agents
// share the result, and what one of them asks for must not make it fail for the others.
func (a *app) find(ctx context.Context, owner string, via http.RoundTripper) (*installation, error) {
	var found *github.Installation
	var err error
	if a.installation != 0 {
		err = a.asApp(ctx, via, credentials.Call{Operation: "github:apps/get-installation"}, func(ctx context.Context, library *github.Client) (response *github.Response, err error) {
			found, response, err = library.Apps.GetInstallation(ctx, a.installation)
			return response, err
		})
	} else {
		found, err = a.findByOwner(ctx, owner, via)
	}
	switch {
	case err != nil:
		return nil, refused(err, "GitHub shows the App no installation at "+owner+".")
	case found.GetID() == 0:
		return nil, errors.New("GitHub's answer names no installation")
	case !strings.EqualFold(found.GetAccount().GetLogin(), owner):
		return nil, fmt.Errorf("the installation is %s's, not %s's", found.GetAccount().GetLogin(), owner)
	case found.SuspendedAt != nil:
		err := fmt.Errorf("the App's installation at %s is suspended", owner)
		return nil, &credentials.RefusedError{Reason: "The App is suspended at " + owner + ".", Err: err}
	}
	i := &installation{id: found.GetID(), permissions: PermissionSet{}}
	text, err := json.Marshal(found.GetPermissions())
	if err == nil {
		err = json.Unmarshal(text, &i.permissions)
	}
	if err != nil {
		return nil, fmt.Errorf("read the installation's permissions: %w", err)
	}
	return i, nil
}

// findByOwner asks as of an organization first, and then as of a user.
func (a *app) findByOwner(ctx context.Context, owner string, via http.RoundTripper) (found *github.Installation, err error) {
	organization := credentials.Call{Operation: "github:apps/get-org-installation", Resource: owner}
	err = a.asApp(ctx, via, organization, func(ctx context.Context, library *github.Client) (response *github.Response, err error) {
		found, response, err = library.Apps.FindOrganizationInstallation(ctx, owner)
		return response, err
	})
	if !answered(err, http.StatusNotFound) {
		return found, err
	}
	user := credentials.Call{Operation: "github:apps/get-user-installation", Resource: owner}
	err = a.asApp(ctx, via, user, func(ctx context.Context, library *github.Client) (response *github.Response, err error) {
		found, response, err = library.Apps.FindUserInstallation(ctx, owner)
		return response, err
	})
	return found, err
}
