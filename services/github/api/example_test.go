package api_test

import (
	"fmt"

	github "sallyport/services/github/api"
)

func ExampleService_Resolve() {
	o, err := github.DotCom().Resolve(github.Request{Method: "POST", Host: "api.github.com", Path: "/repos/Acme/Web/pulls"})
	if err != nil {
		fmt.Println(err)
		return
	}
	least, _ := github.Least(o.Permissions, func(github.Permission) bool { return true })
	fmt.Println(o.Name, o.Repo, o.Access, least)

	_, err = github.DotCom().Resolve(github.Request{Method: "DELETE", Host: "api.github.com", Path: "/repositories/1296269"})
	fmt.Println(err)
	// Output:
	// pulls/create acme/web write pull_requests=write
	// /repositories/ID hides which repository is meant, and GitHub has not told this agent within the hour; ask for it as /repos/OWNER/REPO
}

func ExampleParsePattern() {
	_, err := github.ParsePattern("pull/creat")
	fmt.Println(err)
	// Output:
	// operation pattern "pull/creat" matches no operation of GitHub's; did you mean "pulls/create"
}
