package audit_test

import (
	"reflect"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// full is an exchange that has something in every field that a filter knows.
func full() *audit.Exchange {
	x := &audit.Exchange{Intent: *intent(), Seq: 70, Ended: true, Outcome: *outcome(), OutcomeSeq: 71}
	x.StartedAt, x.Operation, x.Resource = minute(30), "github:pulls/create", "acme/web"
	x.Path, x.Outcome.Error = "/repos/acme/web/pulls", "the agent left early"
	return x
}

// filters are one for each thing that can be asked for, which full has.
func filters() map[string]audit.Filter {
	x := full()
	return map[string]audit.Filter{
		"agent": {Agent: x.Agent}, "agent name": {AgentName: x.AgentName}, "owner": {Owner: x.Owner},
		"accountable": {Accountable: x.Accountable}, "host": {Host: x.Host}, "operation": {Operation: x.Operation},
		"pattern": {Operation: "github:*"}, "resource": {Resource: x.Resource}, "credential": {Credential: x.Credential},
		"policy": {Policy: x.Policy}, "rule": {Rule: x.Rule}, "decision": {Decision: x.Decision}, "outcome": {Outcome: x.Outcome.Outcome},
		"status": {Status: 200}, "text in path": {Text: "web/pulls"}, "text in resource": {Text: "acme/w"}, "text in error": {Text: "left early"},
		"since": {Since: minute(30)}, "until": {Until: minute(31)}, "before": {Before: 71},
	}
}

func TestAFilterMatchesByEachField(t *testing.T) {
	t.Parallel()
	all := audit.Filter{}
	assert.True(t, all.Matches(full()), "an empty filter matches everything")
	assert.True(t, all.Matches(&audit.Exchange{}))
	for name, f := range filters() {
		assert.True(t, f.Matches(full()), name)
		if name != "until" && name != "before" { // which began long ago, and first
			assert.False(t, f.Matches(&audit.Exchange{}), "%s: an exchange in which it is unknown", name)
		}
	}
}

func TestAFilterRefusesAnotherValue(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]audit.Filter{
		"agent": {Agent: uuid.New()}, "agent name": {AgentName: "work"}, "owner": {Owner: "person:dan"}, "accountable": {Accountable: "team:web"},
		"host": {Host: "anthropic.com"}, "operation": {Operation: "github:pulls/creat"}, "pattern": {Operation: "github:*/merge"},
		"resource": {Resource: "acme"}, "credential": {Credential: "Anthropic"}, "policy": {Policy: "operators"}, "rule": {Rule: "mode"},
		"decision": {Decision: audit.DecisionDeny}, "outcome": {Outcome: audit.OutcomeRefused}, "status": {Status: 201},
		"text": {Text: "acme/api"}, "since": {Since: minute(31)}, "until": {Until: minute(30)}, "before": {Before: 70},
		"one of two": {Owner: "person:dana", Host: "example.org"},
	} {
		assert.False(t, f.Matches(full()), name)
	}
}

// TestEveryFlagSelectsByItsField: what is typed as --owner selects by the owner, and so on.
func TestEveryFlagSelectsByItsField(t *testing.T) {
	t.Parallel()
	row := rowOf(t, full())
	seen := map[string]bool{}
	for _, flag := range audit.Flags() {
		require.NotEmpty(t, flag.Usage, flag.Name)
		assert.False(t, seen[flag.Name], "%s is there twice", flag.Name)
		seen[flag.Name] = true
		var f audit.Filter
		have, ok := row[flag.Name].(string)
		require.True(t, ok, "%s is no field of a row", flag.Name)
		*flag.Value(&f) = have
		assert.True(t, f.Matches(full()), flag.Name)
		*flag.Value(&f) = have + "x"
		assert.False(t, f.Matches(full()), flag.Name)
	}
	for _, name := range []string{"owner", "accountable", "policy", "rule", "decision", "host", "operation", "resource", "credential", "outcome"} {
		assert.True(t, seen[name], name)
	}
}

// TestEveryWordOfAFilterCounts: no field of Filter is forgotten by Matches.
func TestEveryWordOfAFilterCounts(t *testing.T) {
	t.Parallel()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[audit.Filter]()) {
		var f audit.Filter
		at := reflect.ValueOf(&f).Elem().FieldByIndex(field.Index)
		if field.Name == "Mark" || at.Kind() != reflect.String { // marks are looked for beside the row too
			continue
		}
		at.SetString("nobody has this")
		assert.False(t, f.Matches(full()), field.Name)
		assert.False(t, f.MatchesEvent(&audit.EventRow{Type: "x"}), field.Name)
	}
}

func TestAnOperationIsMatchedAlone(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"": true, "github:git/push": true, "github:*": true, "*push": true, "aws:*": false, "github:git": false, "*": true,
	} {
		f := audit.Filter{Operation: pattern}
		assert.Equal(t, want, f.MatchesOperation("github:git/push"), pattern)
	}
}

// TestKindsAreNarrowedByTheirColumns: what kinds have no column for is left to others.
func TestKindsAreNarrowedByTheirColumns(t *testing.T) {
	t.Parallel()
	type want struct {
		column, value string
		prefix        bool
	}
	wants := func(f audit.Filter) map[string]want {
		m := map[string]want{}
		f.EachOfKind(func(column, value string, prefix bool) {
			if value != "" {
				m[column] = want{column, value, prefix}
			}
		})
		return m
	}
	assert.Empty(t, wants(audit.Filter{}))
	assert.Equal(t, map[string]want{"host": {"host", "api.github.com", false}, "agent_name": {"agent_name", "worker", false}},
		wants(audit.Filter{Host: "api.github.com", AgentName: "worker", Outcome: "completed", Resource: "acme/web", Status: 3}))
	assert.Equal(t, map[string]want{"operation": {"operation", "github:git/", true}}, wants(audit.Filter{Operation: "github:git/*"}))
	assert.Equal(t, map[string]want{"operation": {"operation", "github:git/push", false}}, wants(audit.Filter{Operation: "github:git/push"}))
	assert.Equal(t, map[string]want{"host": {"host", "*.example", false}}, wants(audit.Filter{Host: "*.example"}), "a star is a star but in operations")
	names := audit.KindNames()
	var f audit.Filter
	f.EachOfKind(func(column, _ string, _ bool) { assert.Contains(t, names, column) })
}
