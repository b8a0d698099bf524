package e2e_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// document writes a GraphQL request.
func document(body string, header ...string) string {
	if len(header) == 0 {
		header = []string{"Content-Type: application/json"}
	}
	return ask("POST", "/graphql", gitHubAPI, body, header...)
}

// removal is the root field that all documents want to get in.
const removal = `deleteRef(input:{refId:\"R_rs0x:refs/heads/main\"}){clientMutationId}`

// opening is allowed, and is what a removal may hide behind.
const opening = `createPullRequest(input:{repositoryId:\"R_rs00\",title:`

const harmless = `repository(owner:\"acme\",name:\"web\"){name}`

// quotes are so many in a row, within JSON.
func quotes(n int) string { return strings.Repeat(`\"`, n) }

// documentAttempts hide a deletion in GraphQL, or what would delete.
func documentAttempts(t *testing.T) []attempt {
	t.Helper()
	var all []attempt
	for name, body := range map[string]string{
		"plainly":                 `{"query":"mutation{` + removal + `}"}`,
		"chosen by operationName": `{"query":"query A{` + harmless + `} mutation B{` + removal + `}","operationName":"B"}`,
		"nothing chosen":          `{"query":"query A{` + harmless + `} mutation B{` + removal + `}"}`,
		"chosen by null":          `{"query":"query A{` + harmless + `} mutation B{` + removal + `}","operationName":null}`,
		"same name twice":         `{"query":"query A{` + harmless + `} mutation A{` + removal + `}","operationName":"A"}`,
		"two without names":       `{"query":"{` + harmless + `} mutation{` + removal + `}"}`,
		"alias":                   `{"query":"mutation{createPullRequest:` + removal + `}"}`,
		"fragment":                `{"query":"mutation{...f} fragment f on Mutation{` + removal + `}"}`,
		"fragment in fragment":    `{"query":"mutation{...f} fragment f on Mutation{...g} fragment g on Mutation{` + removal + `}"}`,
		"inline fragment":         `{"query":"mutation{... on Mutation{...{` + removal + `}}}"}`,
		"fragment twice":          `{"query":"mutation{...f} fragment f on Mutation{__typename} fragment f on Mutation{` + removal + `}"}`,
		"skipped, perhaps":        `{"query":"mutation($s:Boolean!){x:` + strings.Replace(removal, "{client", " @skip(if:$s){client", 1) + `}","variables":{"s":false}}`,
		"by variable":             `{"query":"mutation($i:DeleteRefInput!){deleteRef(input:$i){clientMutationId}}","variables":{"i":{"refId":"R_rs0x:refs/heads/main"}}}`,
		"list":                    `[{"query":"{` + harmless + `}"},{"query":"mutation{` + removal + `}"}]`,
		"list of one":             `[{"query":"mutation{` + removal + `}"}]`,
		"key twice":               `{"query":"{` + harmless + `}","query":"mutation{` + removal + `}"}`,
		"key twice, escaped":      `{"query":"{` + harmless + `}","\u0071uery":"mutation{` + removal + `}"}`,
		"key in capitals":         `{"query":"{` + harmless + `}","Query":"mutation{` + removal + `}"}`,
		"key with NUL":            `{"query":"{` + harmless + `}","query\u0000":"mutation{` + removal + `}"}`,
		"field escaped":           `{"query":"mutation{\u0064elete\u0052ef(input:{refId:\"x\"}){clientMutationId}}"}`,
		"two objects":             `{"query":"{` + harmless + `}"}{"query":"mutation{` + removal + `}"}`,
		"mark before the object":  "\ufeff" + `{"query":"mutation{` + removal + `}"}`,
		"mark in the document":    `{"query":"\ufeffmutation{` + removal + `}"}`,
		"behind a comment":        `{"query":"#{` + harmless + `}\nmutation{` + removal + `}"}`,
		"comment ended by CR":     `{"query":"{` + harmless + `} #\rmutation{` + removal + `}"}`,
		// Each opens a pull request to one reader, and removes a branch to another.
		"comment ended by CR or LF":   `{"query":"mutation{ #\r` + opening + `\"\"\"\n` + removal + ` #\"\"\"}){clientMutationId}\n}"}`,
		"nine quotes":                 `{"query":"mutation{` + opening + `[` + quotes(9) + `,` + quotes(3) + `]}){clientMutationId}` + removal + ` #` + quotes(3) + `]}){clientMutationId}\n}"}`,
		"escaped backslash in quotes": `{"query":"mutation{` + opening + quotes(3) + `\\\\` + quotes(3) + `}){clientMutationId}` + removal + ` #` + quotes(3) + `}){clientMutationId}\n}"}`,
		"comment ended by U+2028":     `{"query":"mutation{__typename #\u2028` + "\\n" + removal + `}"}`,
		"control character":           `{"query":"mutation{` + removal + `\u0008}"}`,
		"lone surrogate":              `{"query":"mutation{` + removal + `} #\ud800"}`,
		"stored document":             `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`,
		"stored document, by id":      `{"query":"{` + harmless + `}","id":"abc"}`,
		"variables as text":           `{"query":"{` + harmless + `}","variables":"{}"}`,
		"subscription":                `{"query":"subscription{` + harmless + `}"}`,
		"schema definition":           `{"query":"type Query{a:Int} mutation{` + removal + `}"}`,
		"too deep":                    `{"query":"mutation{` + strings.Repeat("a{", 400) + strings.Repeat("}", 400) + removal + `}"}`,
		"too many":                    `{"query":"mutation{` + strings.Repeat("a ", 30000) + removal + `}"}`,
		"too long":                    `{"query":"mutation{` + removal + `}","variables":{"a":"` + strings.Repeat("a", 1<<20) + `"}}`,
		"not JSON":                    "mutation{" + strings.ReplaceAll(removal, `\`, "") + "}",
		"nothing":                     "",
		"document in an encoded form": "query=mutation%7B" + "deleteRef%7D",
	} {
		all = append(all, attempt{"document: " + name, gitHubAPI, document(body)})
	}
	plain := `{"query":"mutation{` + removal + `}"}`
	for _, header := range []string{
		"Content-Type: text/plain", "Content-Type: application/graphql", "Content-Type: multipart/form-data; boundary=x", "Content-Type: application/json; charset=utf-16",
		"Content-Type: application/json; charset=utf-7", "Content-Type: application/json, text/plain", "X-Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded",
	} {
		all = append(all, attempt{"document: " + header, gitHubAPI, document(plain, header)})
	}
	json := "Content-Type: application/json"
	return append(
		all,
		attempt{"document: compressed", gitHubAPI, document(zipped(t, plain), json, "Content-Encoding: gzip")},
		attempt{"document: compressed bomb", gitHubAPI, document(zipped(t, strings.Repeat(" ", 64<<20)+plain), json, "Content-Encoding: gzip")},
		attempt{"document: compressed, unsaid", gitHubAPI, document(zipped(t, plain))},
		attempt{"document: in chunks", gitHubAPI, chunked("POST", "/graphql", gitHubAPI, []string{json}, plain[:10], plain[10:])},
		attempt{"document: form with two keys", gitHubAPI, document(`{"a":"&query=mutation{deleteRef}"}`, "Content-Type: application/x-www-form-urlencoded")},
		attempt{"document: in the query", gitHubAPI, ask("POST", "/graphql?query=mutation%7BdeleteRef%7D", gitHubAPI, `{"query":"{`+harmless+`}"}`, json)},
		attempt{"document: by GET", gitHubAPI, ask("GET", "/graphql?query=mutation%7BdeleteRef%7D", gitHubAPI, "")},
		attempt{"document: trailing slash", gitHubAPI, ask("POST", "/graphql/", gitHubAPI, plain, json)},
		attempt{"document: capitals", gitHubAPI, ask("POST", "/GraphQL", gitHubAPI, plain, json)},
		attempt{"document: encoded", gitHubAPI, ask("POST", "/graph%71l", gitHubAPI, plain, json)},
	)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func pkt(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

var (
	noID  = strings.Repeat("0", 40)
	anyID = strings.Repeat("1", 40)
)

// commands makes refs that point to a commit which every repository has.
func commands(refs ...string) string {
	var b strings.Builder
	for i, ref := range refs {
		line := noID + " " + shared.first + " " + ref
		if i == 0 {
			line += "\x00 report-status side-band-64k object-format=sha1"
		}
		b.WriteString(pkt(line))
	}
	return b.String()
}

// emptyPack is a pack of no objects (gitformat-pack(5)).
func emptyPack() string {
	head := "PACK\x00\x00\x00\x02\x00\x00\x00\x00"
	sum := sha1.Sum([]byte(head))
	return head + string(sum[:])
}

func push(path string, header []string, body string) string {
	return ask("POST", path, gitHubWeb, body, append([]string{"Content-Type: application/x-git-receive-pack-request"}, header...)...)
}

// pushAttempts want main of a repository changed, or a ref gone.
func pushAttempts(t *testing.T) []attempt {
	t.Helper()
	const here = "/acme/web.git/git-receive-pack"
	good, main := commands("refs/heads/agent/x"), commands("refs/heads/main")
	end := "0000" + emptyPack()
	var all []attempt
	add := func(name, request string) { all = append(all, attempt{"push: " + name, gitHubWeb, request}) }
	for name, body := range map[string]string{
		"main":                    main + end,
		"main after another":      commands("refs/heads/agent/x", "refs/heads/main") + end,
		"main after the flush":    good + "0000" + main + end,
		"main behind a delim":     good + "0001" + main + end,
		"main behind an end":      good + "0002" + main + end,
		"deletion":                pkt(shared.first+" "+noID+" refs/heads/main\x00report-status") + "0000",
		"same ref twice":          commands("refs/heads/agent/x", "refs/heads/agent/x") + end,
		"dots":                    commands("refs/heads/agent/../main") + end,
		"space":                   commands("refs/heads/main ") + end,
		"line feed":               commands("refs/heads/agent/x\nrefs/heads/main") + end,
		"NUL":                     commands("refs/heads/agent/x\x00refs/heads/main") + end,
		"not text":                commands("refs/heads/agent/\xff\xfe") + end,
		"backwards":               commands("refs/heads/agent/\u202eniam") + end,
		"invisible":               commands("refs/heads/agent\u200b/x") + end,
		"empty part":              commands("refs/heads//main") + end,
		"capitals":                commands("REFS/heads/main", "Refs/Heads/main") + end,
		"HEAD":                    commands("HEAD") + end,
		"lock":                    commands("refs/heads/agent/x.lock") + end,
		"at":                      commands("refs/heads/agent/@{1}") + end,
		"capabilities twice":      good + pkt(noID+" "+shared.first+" refs/heads/agent/y\x00 report-status") + end,
		"short length":            "0003" + good + end,
		"length in capitals, +":   "+0a1" + good + end,
		"signed":                  pkt("push-cert\x00report-status") + pkt("certificate version 0.1\n") + main + pkt("push-cert-end\n") + end,
		"shallow between":         good + pkt("shallow "+anyID) + main + end,
		"no list":                 "0000" + emptyPack(),
		"nothing to nothing":      pkt(noID+" "+noID+" refs/heads/agent/x\x00report-status") + end,
		"id in capitals":          pkt(strings.ToUpper(strings.Repeat("a", 40))+" "+shared.first+" refs/heads/agent/x\x00report-status") + end,
		"options that are a list": pkt(noID+" "+shared.first+" refs/heads/agent/x\x00report-status push-options") + "0000" + main + end + "x",
	} {
		add(name, push(here, nil, body))
	}
	add("main, in chunks", chunked("POST", here, gitHubWeb, []string{"Content-Type: application/x-git-receive-pack-request"}, main[:3], main[3:50], main[50:], end))
	add("main, compressed", push(here, []string{"Content-Encoding: gzip"}, zipped(t, main+end)))
	add("main in a second member", push(here, []string{"Content-Encoding: gzip"}, zipped(t, good)+zipped(t, main+end)))
	add("compressed twice", push(here, []string{"Content-Encoding: gzip", "Content-Encoding: gzip"}, zipped(t, zipped(t, main+end))))
	add("compressed twice, in one line", push(here, []string{"Content-Encoding: gzip, gzip"}, zipped(t, zipped(t, main+end))))
	add("compressed another way", push(here, []string{"Content-Encoding: deflate"}, main+end))
	add("a bomb", push(here, []string{"Content-Encoding: gzip"}, zipped(t, strings.Repeat(pkt(noID+" "+anyID+" refs/heads/agent/"+strings.Repeat("a", 900)), 60000))))
	many := make([]string, 10_001)
	for i := range many {
		many[i] = fmt.Sprintf("refs/heads/agent/%d", i)
	}
	add("more refs than are read", push(here, nil, commands(many...)+end))
	add("unsaid compression", push(here, nil, zipped(t, main+end)))
	add("posing as a fetch", ask("POST", here, gitHubWeb, main+end, "Content-Type: application/x-git-upload-pack-request"))
	add("service in the query", push(here+"?service=git-upload-pack", nil, main+end))
	add("to fetch's path with a query", push("/acme/web.git/git-upload-pack?service=git-receive-pack", nil, main+end))
	add("elsewhere", push("/acme/secret.git/git-receive-pack", nil, main+end))
	add("elsewhere, without .git", push("/acme/secret/git-receive-pack", nil, main+end))
	add("elsewhere, .git twice", push("/acme/web.git.git/git-receive-pack", nil, main+end))
	add("elsewhere, by dots", push("/acme/web.git/../secret.git/git-receive-pack", nil, main+end))
	add("path in capitals", push("/acme/web.git/GIT-RECEIVE-PACK", nil, main+end))
	add("path, encoded", push("/acme/web.git/git%2Dreceive-pack", nil, main+end))
	add("path, with a slash", push("/acme/web.git/git-receive-pack/", nil, main+end))
	for _, query := range []string{
		"service=git-upload-pack&service=git-receive-pack", "service=git-receive-pack&service=git-upload-pack", "service=git%2Dreceive-pack", "service=git-Receive-Pack", "", "service=",
	} {
		all = append(all, attempt{"refs: " + query, gitHubWeb, ask("GET", "/acme/web/info/refs?"+query, gitHubWeb, "")})
	}
	return append(
		all,
		attempt{"refs of the secret", gitHubWeb, ask("GET", "/acme/secret/info/refs?service=git-upload-pack", gitHubWeb, "")},
		attempt{"dumb protocol", gitHubWeb, ask("GET", "/acme/web.git/objects/info/packs", gitHubWeb, "")},
		attempt{"dumb protocol, HEAD", gitHubWeb, ask("GET", "/acme/secret.git/HEAD", gitHubWeb, "")},
	)
}
