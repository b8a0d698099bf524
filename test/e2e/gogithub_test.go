package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-github/v66/github"
)

// gitHubClient is a program that was written for GitHub, with a token from its
// environment as its documentation says. web is the address of the GitHub.
func gitHubClient(ctx context.Context, web string) error {
	client := github.NewClient(nil).WithAuthToken(os.Getenv("GH_TOKEN"))
	if web != "https://github.com" {
		var err error
		if client, err = client.WithEnterpriseURLs(web, web); err != nil {
			return err
		}
	}
	repo, _, err := client.Repositories.Get(ctx, "acme", "web")
	if err != nil {
		return err
	}
	fmt.Println("repository", repo.GetFullName())
	file, _, _, err := client.Repositories.GetContents(ctx, "acme", "web", "README.md", nil)
	if err != nil {
		return err
	}
	readme, err1 := file.GetContent()
	fmt.Println("readme", readme)
	_, listed, _, err := client.Repositories.GetContents(ctx, "acme", "web", "", nil)
	if err != nil {
		return err
	}
	fmt.Println("files", len(listed) > 0)
	pull, _, err2 := client.PullRequests.Create(ctx, "acme", "web", &github.NewPullRequest{
		Title: new("by go-github"), Head: new("agent/go"), Base: new("main"),
	})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	fmt.Println("pull request", pull.GetTitle())
	comments, _, err := client.Issues.ListComments(ctx, "acme", "web", 1, nil)
	if err != nil {
		return err
	}
	fmt.Println("comments", len(comments))
	if err := releaseAsset(ctx, client); err != nil {
		return err
	}
	_, err = client.Repositories.Delete(ctx, "acme", "web")
	var refused *github.ErrorResponse
	if !errors.As(err, &refused) {
		return fmt.Errorf("the deletion was not refused: %w", err)
	}
	fmt.Println("refused", refused.Response.StatusCode)
	return nil
}

// releaseAsset makes a release, puts a file there, and gets it back by its signed link.
func releaseAsset(ctx context.Context, client *github.Client) error {
	release, _, err := client.Repositories.CreateRelease(ctx, "acme", "web", &github.RepositoryRelease{TagName: new("go")})
	if err != nil {
		return err
	}
	request, err := client.NewUploadRequest(fmt.Sprintf("repos/acme/web/releases/%d/assets?name=a", release.GetID()), strings.NewReader("abc"), 3, "text/plain")
	if err != nil {
		return err
	}
	asset := &github.ReleaseAsset{}
	if _, err := client.Do(ctx, request, asset); err != nil {
		return err
	}
	fmt.Println("asset", asset.GetSize(), "bytes")
	body, _, err := client.Repositories.DownloadReleaseAsset(ctx, "acme", "web", asset.GetID(), http.DefaultClient)
	if err != nil {
		return err
	}
	defer body.Close()
	back, err := io.ReadAll(body)
	fmt.Printf("back %s\n", back)
	if err != nil {
		return err
	}
	archive, _, err := client.Repositories.GetArchiveLink(ctx, "acme", "web", github.Tarball, nil, 1)
	if err != nil {
		return err
	}
	fmt.Println("archive", archive.RawQuery != "")
	return nil
}
