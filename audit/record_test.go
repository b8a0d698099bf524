package audit_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// suspended is an event about an agent.
func suspended() *audit.EventRow {
	return &audit.EventRow{
		Seq: 40, ID: uuid.New(), Type: audit.TypeAgentSuspended, At: minute(20),
		Payload: map[string]any{
			"agent": intent().Agent.String(), "name": "worker", "owner": "person:dana", "accountable": "person:kim",
			"policy": "operator", "reason": "lost", "uid": int64(1000),
		},
	}
}

func TestARecordIsOneOfTwo(t *testing.T) {
	t.Parallel()
	x, e := full(), suspended()
	x.Outcome.EndedAt = minute(31)
	exchange, event := audit.Record{Exchange: x}, audit.Record{Event: e}
	assert.Equal(t, x.OutcomeSeq, exchange.Seq(), "exchanges stand where they end")
	assert.Equal(t, x.ID, exchange.ID())
	assert.Equal(t, "exchange", exchange.Type())
	assert.Equal(t, minute(31), exchange.At())
	assert.Equal(t, e.Seq, event.Seq())
	assert.Equal(t, e.ID, event.ID())
	assert.Equal(t, audit.TypeAgentSuspended, event.Type())
	assert.Equal(t, minute(20), event.At())
}

func TestARecordIsToldAsWhatItIs(t *testing.T) {
	t.Parallel()
	x, e := full(), suspended()
	assert.Equal(t, string(x.AppendJSON([]byte("a"))), string(audit.Record{Exchange: x}.AppendJSON([]byte("a"))))
	assert.Equal(t, string(e.AppendJSON(nil)), string(audit.Record{Event: e}.AppendJSON(nil)))
	for _, r := range []audit.Record{{Exchange: x}, {Event: e}} {
		data, err := r.AppendOCSF([]byte("a"), "1.2.3")
		require.NoError(t, err)
		assert.True(t, json.Valid(data[1:]))
	}
	assert.NotContains(t, rowOf(t, x), "type", "by this key an event is told from an exchange")
}

// TestBothSortsHaveTheSameColumns: a line of CSV is either, and what it lacks is null.
func TestBothSortsHaveTheSameColumns(t *testing.T) {
	t.Parallel()
	cells := func(r audit.Record) (names []string, values map[string]string) {
		values = map[string]string{}
		r.EachField(func(name string, value []byte) {
			names = append(names, name)
			values[name] = string(value)
		})
		return names, values
	}
	e := suspended()
	e.Exchange = uuid.New()
	columns, x := cells(audit.Record{Exchange: full()})
	again, values := cells(audit.Record{Event: e})
	assert.Equal(t, columns, again)
	assert.Equal(t, []string{"type", "exchange", "payload"}, columns[len(columns)-3:])
	assert.Equal(t, `"exchange"`, x["type"])
	assert.Equal(t, "null", x["payload"])
	assert.Equal(t, "null", x["exchange"])
	assert.Equal(t, `"agent.suspended"`, values["type"])
	assert.Equal(t, `"`+e.Exchange.String()+`"`, values["exchange"])
	assert.Equal(t, "40", values["seq"])
	assert.Equal(t, "null", values["host"])
	assert.Equal(t, e.Payload["reason"], unmarshal(t, []byte(values["payload"]))["reason"])
	_, values = cells(audit.Record{Event: &audit.EventRow{Seq: 1, Type: "x"}})
	assert.Equal(t, "null", values["payload"])
	assert.Equal(t, "null", values["exchange"])
}

// TestAnEventMatchesByWhoAndWhatItNames, and by time.
func TestAnEventMatchesByWhoAndWhatItNames(t *testing.T) {
	t.Parallel()
	e := suspended()
	for name, c := range map[string]struct {
		filter audit.Filter
		want   bool
	}{
		"everything":        {audit.Filter{}, true},
		"agent":             {audit.Filter{Agent: intent().Agent}, true},
		"another agent":     {audit.Filter{Agent: uuid.New()}, false},
		"agent's name":      {audit.Filter{AgentName: "worker"}, true},
		"another name":      {audit.Filter{AgentName: "builder"}, false},
		"owner":             {audit.Filter{Owner: "person:dana"}, true},
		"accountable":       {audit.Filter{Accountable: "person:kim"}, true},
		"policy":            {audit.Filter{Policy: "operator"}, true},
		"another policy":    {audit.Filter{Policy: "reader"}, false},
		"credential":        {audit.Filter{Credential: "anthropic"}, false},
		"since":             {audit.Filter{Since: minute(20)}, true},
		"since later":       {audit.Filter{Since: minute(21)}, false},
		"until":             {audit.Filter{Until: minute(20)}, false},
		"before":            {audit.Filter{Before: 41}, true},
		"before this":       {audit.Filter{Before: 40}, false},
		"text":              {audit.Filter{Text: "lost"}, false},
		"status":            {audit.Filter{Status: 200}, false},
		"mark":              {audit.Filter{Mark: "worker"}, false},
		"host":              {audit.Filter{Host: "worker"}, false},
		"two that it names": {audit.Filter{AgentName: "worker", Owner: "person:dana"}, true},
		"one of two":        {audit.Filter{AgentName: "worker", Owner: "team:web"}, false},
	} {
		assert.Equal(t, c.want, c.filter.MatchesEvent(e), name)
	}
	e.Payload = map[string]any{"agent_name": "builder", "credential": "anthropic"}
	assert.True(t, (&audit.Filter{AgentName: "builder"}).MatchesEvent(e), "some events name an agent so")
	assert.True(t, (&audit.Filter{Credential: "anthropic"}).MatchesEvent(e))
	e.Payload = map[string]any{"owner": int64(3)}
	assert.False(t, (&audit.Filter{Owner: "3"}).MatchesEvent(e))
}
