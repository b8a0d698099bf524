package github_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/services"
	"sallyport/services/github"
)

const (
	hashed = "BAOSujPYTqWKDGcqdOMRhpNLuaNnIyKkvHNTyEOA7rU=" // as GitHub's audit log has it
	sum    = "040392ba33d84ea58a0c672a74e31186934bb9a3672322a4bc7353c84380eeb5"
	commit = "216df68c31160b5501d6df994ac52f9995577ce3"
)

func TestATokenIsFoundByItsFingerprint(t *testing.T) {
	t.Parallel()
	clue, ok := github.New().Recognize(hashed)
	require.True(t, ok)
	assert.Equal(t, services.Clue{Mark: audit.Mark{Kind: audit.MarkToken, Value: hashed}, Filter: audit.Filter{Mark: sum}}, clue)
}

// A push names two commits and brings all between them, so that pushes are looked through.
func TestACommitMayHaveBeenBroughtByAPush(t *testing.T) {
	t.Parallel()
	for _, value := range []string{commit, "216DF68C31160B5501D6DF994AC52F9995577CE3"} {
		clue, ok := github.New().Recognize(value)
		require.True(t, ok, value)
		assert.Equal(t, audit.Mark{Kind: audit.MarkCommit, Value: commit}, clue.Mark)
		assert.Equal(t, audit.Filter{Mark: commit}, clue.Filter)
		assert.Equal(t, &audit.Filter{Operation: "github:git/push"}, clue.Carriers)
	}
	for _, value := range []string{"", commit[1:], commit + "0", "F00D:1:2", sum, hashed[1:], "ASIAIOSFODNN7EXAMPLE"} {
		_, ok := github.New().Recognize(value)
		assert.False(t, ok, value)
	}
}

func TestAnEventOfTheAuditLog(t *testing.T) {
	t.Parallel()
	seen, err := github.New().ReadLog([]byte(`{"@timestamp": 1767261602000, "action": "git.fetch", "hashed_token": "` + hashed + `", "request_id": "F00D:1:2"}`))
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, time.Date(2026, 1, 1, 10, 0, 2, 0, time.UTC), seen[0].At)
	require.Len(t, seen[0].Clues, 2)
	assert.Equal(t, services.NewClue(audit.MarkRequest, "F00D:1:2"), seen[0].Clues[0], "a request id leads to one exchange, a token to many")
	assert.Equal(t, audit.Filter{Mark: sum}, seen[0].Clues[1].Filter)

	seen, err = github.New().ReadLog([]byte(`{"hashed_token": "` + hashed + `"}`))
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Zero(t, seen[0].At)

	for _, other := range []string{`{}`, `null`, `{"eventTime": "2026-01-01T10:00:03Z", "requestID": "REQ1"}`, `{"Records": [{"requestID": "REQ1"}]}`} {
		seen, err = github.New().ReadLog([]byte(other))
		require.NoError(t, err, other)
		assert.Nil(t, seen, other)
	}
	for _, wrong := range []string{`[]`, `{"hashed_token": 5}`, `{"@timestamp": "yesterday"}`} {
		_, err = github.New().ReadLog([]byte(wrong))
		require.ErrorContains(t, err, "cannot unmarshal", wrong)
	}
}
