package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestAnIssueGivenToAnAgentIsFound(t *testing.T) {
	t.Parallel()
	plain, packed := http.Header{"Content-Type": {"application/json"}}, http.Header{"Content-Encoding": {"gzip"}}
	for name, c := range map[string]struct {
		body string
		want bool
	}{
		"an issue":               {`{"title":"Copilot is slow","body":"agent_assignment","assignees":["octocat"]}`, false},
		"nobody":                 {`{"title":"x","assignees":[],"assignee":null,"agent_assignment":null}`, false},
		"nothing":                {` `, false},
		"an assignment":          {`{"title":"x","agent_assignment":{"target_repo":"acme/web","base_branch":"main"}}`, true},
		"an escaped key":         {`{"\u0061gent_assignment":{}}`, true},
		"another case":           {`{"Agent_Assignment":{}}`, true},
		"its login":              {`{"assignees":["octocat","copilot-swe-agent[bot]"]}`, true},
		"its short login":        {`{"assignees":["Copilot"]}`, true},
		"any bot":                {`{"assignee":"helper[bot]"}`, true},
		"another agent's":        {`{"assignees":["openai-code-agent"]}`, true},
		"a short name":           {`{"assignees":[" Claude "]}`, true},
		"a key twice":            {`{"assignees":[],"assignees":["octocat"]}`, true},
		"no object":              {`[]`, true},
		"a list that is none":    {`{"assignees":{"0":"x"}}`, true},
		"text that is not UTF-8": {"{\"title\":\"\xff\"}", true},
	} {
		assert.Equal(t, c.want, github.AssignsAgent(plain, []byte(c.body)), name)
		if strings.TrimSpace(c.body) != "" {
			assert.True(t, github.AssignsAgent(packed, []byte(c.body)), "packed: %s", name)
		}
	}
}

func TestADocumentThatGivesAnIssueToAnAgentWritesARef(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]bool{
		`{"query":"mutation { createIssue(input: {repositoryId: \"R_1\", title: \"agents\"}) { clientMutationId } }"}`:                                                           false,
		`{"query":"mutation { createIssue(input: {repositoryId: \"R_1\", title: \"x\", agentAssignment: {baseRef: \"main\"}}) { clientMutationId } }"}`:                          true,
		`{"query":"mutation($i: CreateIssueInput!) { createIssue(input: $i) { clientMutationId } }","variables":{"i":{"repositoryId":"R_1","\u0061gentAssignment":{}}}}`:         true,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: [\"U_1\"]}) { clientMutationId } }"}`:                                         false,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: [\"BOT_kgDOC9w8XQ\"]}) { clientMutationId } }"}`:                              true,
		`{"query":"mutation($a: [ID!]!) { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: $a}) { clientMutationId } }","variables":{"a":["MDM6Qm90MQ=="]}}`: true,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: [\"\\u0042OT_kgDOC9w8XQ\"]}) { clientMutationId } }"}`:                        true,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: [\"MD M6\\nQm90MQ==\"]}) { clientMutationId } }"}`:                            true,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: [\"MDAzOkJvdDE=\"]}) { clientMutationId } }"}`:                                true,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeIds: [\"MDQ6VXNlcjE=\"]}) { clientMutationId } }"}`:                                false,
		`{"query":"mutation { addAssigneesToAssignable(input: {assignableId: \"I_1\", assigneeLogins: [\"x\"]}) { clientMutationId } }"}`:                                        true,
		`{"query":"mutation($a: [ID!] = [\"BOT_1\"]) { updatePullRequest(input: {pullRequestId: \"PR_1\", assigneeIds: $a}) { clientMutationId } }"}`:                            true,
		`{"query":"mutation { updatePullRequest(input: {pullRequestId: \"PR_1\", title: \"a \\\"BOT_1\\\" \\\\\"}) { clientMutationId } }"}`:                                     false,
		`{"query":"mutation { addProjectV2DraftIssue(input: {projectId: \"PVT_1\", title: \"x\", assigneeIds: [\"BOT_1\"]}) { clientMutationId } }"}`:                            true,
		`{"query":"mutation { addComment(input: {subjectId: \"I_1\", body: \"agentAssignment\"}) { clientMutationId } }"}`:                                                       false,
	} {
		operations, _, err := github.ReadGraphQL(http.Header{"Content-Type": {"application/json"}}, strings.NewReader(document))
		require.NoError(t, err, document)
		require.Len(t, operations, 1)
		assert.Equal(t, want, operations[0].WritesRefs, document)
	}
}
