package audit_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"sallyport/audit"
)

type people map[string]string

func (p people) Accountable(owner string, _ time.Time) string { return p[owner] }

func TestWhoAnswersIsLookedUpByTheOwner(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	w := audit.Who{Agent: id, AgentName: "builder", Owner: "team:web", Policy: "p", Accountable: "person:written-by-hand"}
	assert.Equal(t, "person:dana", w.Answering(people{"team:web": "person:dana"}, time.Time{}).Accountable)
	assert.Empty(t, w.Answering(people{}, time.Time{}).Accountable, "nobody answers, whatever stood there")
	assert.Equal(t, map[string]any{"agent": id.String(), "name": "builder", "policy": "p", "owner": "team:web", "accountable": "person:dana"},
		w.Answering(people{"team:web": "person:dana"}, time.Time{}).Payload())
	assert.NotContains(t, w.Answering(people{}, time.Time{}).Payload(), "accountable")
}
