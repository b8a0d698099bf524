package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// serveGraphQL runs one document: the root fields that tools need, each within what the
// token reaches. A node id stands for a repository without naming it.
func (h *Hub) serveGraphQL(w *statusWriter, r *http.Request) {
	t := h.live(r, "Bearer")
	if t == nil {
		fail(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	if !h.limit(w, t) {
		return
	}
	var asked struct {
		Query, OperationName string
		Variables            map[string]any
	}
	text, err := io.ReadAll(r.Body)
	if err == nil {
		w.document = string(text)
		err = json.NewDecoder(bytes.NewReader(text)).Decode(&asked)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "Problems parsing JSON")
		return
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: lenient(asked.Query)})
	if err != nil {
		reply(w, http.StatusOK, object{"errors": []object{{"message": "Parse error: " + err.Error()}}})
		return
	}
	operation := doc.Operations.ForName(asked.OperationName)
	if operation == nil {
		reply(w, http.StatusOK, object{"errors": []object{{"message": "No operation named " + asked.OperationName}}})
		return
	}
	run := &execution{hub: h, token: t, document: doc, variables: asked.Variables}
	data := object{}
	for _, field := range run.fields(operation.SelectionSet) {
		data[field.Alias] = run.root(string(operation.Operation), field)
	}
	body := object{"data": data}
	if len(run.errors) > 0 {
		body["errors"] = run.errors
	}
	reply(w, http.StatusOK, body)
}

// execution is one run of one document.
type execution struct {
	hub       *Hub
	token     *token
	document  *ast.QueryDocument
	variables map[string]any
	errors    []object
}

// fields are those of a selection, fragments written out.
func (x *execution) fields(set ast.SelectionSet) []*ast.Field {
	var all []*ast.Field
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			all = append(all, s)
		case *ast.InlineFragment:
			all = append(all, x.fields(s.SelectionSet)...)
		case *ast.FragmentSpread:
			all = append(all, x.fields(x.document.Fragments.ForName(s.Name).SelectionSet)...)
		}
	}
	return all
}

func (x *execution) fail(f *ast.Field, kind, format string, values ...any) any {
	x.errors = append(x.errors, object{"type": kind, "path": []string{f.Alias}, "message": fmt.Sprintf(format, values...)})
	return nil
}

func (x *execution) arguments(f *ast.Field) map[string]any {
	all := map[string]any{}
	for _, a := range f.Arguments {
		value, err := a.Value.Value(x.variables)
		if err == nil {
			all[a.Name] = value
		}
	}
	return all
}

func (x *execution) root(kind string, f *ast.Field) any {
	arguments := x.arguments(f)
	text := func(name string) string { s, _ := arguments[name].(string); return s }
	switch kind + "." + f.Name {
	case "query.viewer":
		return x.pick(f, object{"login": "agents[bot]", "id": "BOT_1"})
	case "query.__type":
		return x.pick(f, object{"name": text("name"), "fields": []any{}, "enumValues": []any{}, "inputFields": []any{}})
	case "query.rateLimit":
		return x.pick(f, object{"limit": x.token.installation.limit, "remaining": x.token.installation.remaining})
	case "query.repository":
		return x.repository(f, x.locate(func() *repository { return x.hub.find(text("owner"), text("name")) }))
	case "query.node":
		return x.repository(f, x.locate(func() *repository { return x.hub.byNode(text("id")) }))
	case "mutation.createPullRequest":
		return x.createPull(f, arguments["input"])
	case "mutation.deleteRef", "mutation.createRef", "mutation.updateRef":
		return x.changeRef(f, arguments["input"])
	}
	return x.fail(f, "NOT_FOUND", "Field '%s' is not kept here", f.Name)
}

func (x *execution) locate(find func() *repository) *repository {
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	if r := find(); x.token.reaches(r) {
		return r
	}
	return nil
}

func (x *execution) repository(f *ast.Field, r *repository) any {
	if r == nil {
		return x.fail(f, "NOT_FOUND", "Could not resolve to a Repository with the name given.")
	}
	x.hub.mu.Lock()
	pulls := []any{}
	for _, p := range r.pulls {
		pulls = append(pulls, object{"number": p["number"], "title": p["title"], "url": p["html_url"], "state": "OPEN", "id": p["node_id"]})
	}
	x.hub.mu.Unlock()
	if f := x.find(f, "pullRequests"); f != nil {
		if !x.token.may([]map[string]string{{"pull_requests": "read"}}) {
			return x.fail(f, "FORBIDDEN", "Resource not accessible by integration")
		}
		if head, ok := x.arguments(f)["headRefName"]; ok && head != nil {
			pulls = []any{} // none of that branch yet
		}
	}
	return x.pick(f, object{
		"id": r.node(), "name": r.name, "nameWithOwner": r.full(), "owner": object{"login": r.owner, "id": "O_1"}, "isPrivate": true,
		"description": "kept by the tests", "url": "https://" + x.hub.Web + "/" + r.full(), "hasIssuesEnabled": true, "hasWikiEnabled": true,
		"viewerPermission": "WRITE", "defaultBranchRef": object{"name": "main", "target": object{"oid": strings.Repeat("0", 40)}},
		"mergeCommitAllowed": true, "squashMergeAllowed": true, "rebaseMergeAllowed": true,
		"pullRequests": object{"nodes": pulls, "totalCount": len(pulls)}, "issues": object{"nodes": []any{}, "totalCount": 0},
		"object": object{"text": "Sources.\n"}, "repositoryTopics": object{"nodes": []any{}},
	})
}

// find looks for a field one level below.
func (x *execution) find(f *ast.Field, name string) *ast.Field {
	for _, below := range x.fields(f.SelectionSet) {
		if below.Name == name {
			return below
		}
	}
	return nil
}

// pick takes what is asked for, under its alias; what is not kept is null.
func (x *execution) pick(f *ast.Field, from any) any {
	switch from := from.(type) {
	case object:
		picked := object{}
		for _, below := range x.fields(f.SelectionSet) {
			picked[below.Alias] = x.pick(below, from[below.Name])
		}
		return picked
	case []any:
		picked := make([]any, len(from))
		for i := range from {
			picked[i] = x.pick(f, from[i])
		}
		return picked
	}
	return from
}

func (x *execution) createPull(f *ast.Field, input any) any {
	fields, _ := input.(map[string]any)
	text := func(name string) string { s, _ := fields[name].(string); return s }
	repo := x.locate(func() *repository { return x.hub.byNode(text("repositoryId")) })
	switch {
	case repo == nil:
		return x.fail(f, "NOT_FOUND", "Could not resolve to a node with the global id of '%s'", text("repositoryId"))
	case !x.token.may([]map[string]string{{"pull_requests": "write"}}):
		return x.fail(f, "FORBIDDEN", "Resource not accessible by integration")
	}
	pull := x.hub.addPull(repo, text("title"), text("headRefName"), text("baseRefName"))
	return x.pick(f, object{"clientMutationId": nil, "pullRequest": object{"id": pull["node_id"], "url": pull["html_url"], "number": pull["number"]}})
}

// changeRef is for what must not come so far; whoever reaches it changes a repository.
func (x *execution) changeRef(f *ast.Field, input any) any {
	fields, _ := input.(map[string]any)
	node, _ := fields["repositoryId"].(string)
	ref, _ := fields["name"].(string)
	if ref == "" {
		node, ref, _ = strings.Cut(fmt.Sprint(fields["refId"]), ":")
	}
	repo := x.locate(func() *repository { return x.hub.byNode(node) })
	if repo == nil || !x.token.may([]map[string]string{{"contents": "write"}}) {
		return x.fail(f, "FORBIDDEN", "Resource not accessible by integration")
	}
	arguments := []string{"update-ref", ref, fmt.Sprint(fields["oid"])}
	if f.Name == "deleteRef" {
		arguments = []string{"update-ref", "-d", ref}
	}
	if _, err := git(repo.dir, arguments...); err != nil {
		return x.fail(f, "UNPROCESSABLE", "%v", err)
	}
	return object{"clientMutationId": nil}
}
