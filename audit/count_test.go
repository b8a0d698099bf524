package audit_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"sallyport/audit"
)

func TestEveryGroupCountsByAWordOfTheRow(t *testing.T) {
	t.Parallel()
	x := &audit.Exchange{Intent: *intent()}
	x.Operation, x.Rule = "github:pulls/create", "open-pulls"
	want := map[audit.Group]string{
		audit.ByAgent: "worker", audit.ByOwner: "person:dana", audit.ByAccountable: "person:dana",
		audit.ByHost: "api.anthropic.com", audit.ByOperation: "github:pulls/create", audit.ByCredential: "anthropic",
		audit.ByPolicy: "operator", audit.ByRule: "open-pulls",
	}
	assert.Len(t, audit.Groups(), len(want))
	for _, g := range audit.Groups() {
		assert.Equal(t, want[g], g.Of(x), g)
	}
}

func TestWhatARowLacksIsCountedUnderNoName(t *testing.T) {
	t.Parallel()
	for _, g := range audit.Groups() {
		assert.Empty(t, g.Of(&audit.Exchange{}), g)
	}
}

func TestAnUnknownGroupCountsNothing(t *testing.T) {
	t.Parallel()
	x := &audit.Exchange{Intent: *intent()}
	assert.Empty(t, audit.Group("nothing").Of(x))
	assert.Empty(t, audit.Group("port").Of(x), "only words are counted by")
	assert.NotEqual(t, uuid.Nil, x.Agent)
}
