package aws_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/services"
	"sallyport/services/aws"
)

const (
	key    = "ASIAIOSFODNN7EXAMPLE"
	id     = "0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b"
	source = "agent-" + id
)

// ofAgent is a clue to whatever the agent did at AWS.
func ofAgent(kind audit.MarkKind) services.Clue {
	return services.Clue{Mark: audit.Mark{Kind: kind, Value: source}, Filter: audit.Filter{Agent: uuid.MustParse(id), Operation: "aws:*"}}
}

func TestKeysAndSessionsAreRecognized(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]services.Clue{
		key:                    services.NewClue(audit.MarkKey, key),
		"AKIAIOSFODNN7EXAMPLE": services.NewClue(audit.MarkKey, "AKIAIOSFODNN7EXAMPLE"),
		source:                 ofAgent(audit.MarkSource),
		"agent-of-somebody":    services.NewClue(audit.MarkSource, "agent-of-somebody"),
	} {
		clue, ok := aws.New().Recognize(value)
		assert.True(t, ok, value)
		assert.Equal(t, want, clue)
	}
	for _, value := range []string{"", "AROAIOSFODNN7EXAMPLE", "asiaiosfodnn7example", key + "!", "ASIA1", id, "builder-3"} {
		_, ok := aws.New().Recognize(value)
		assert.False(t, ok, value)
	}
}

// The request comes first, which is one exchange; then the key, which is one session; then
// what names the agent of a session.
func TestAnEventOfCloudTrail(t *testing.T) {
	t.Parallel()
	seen, err := aws.New().ReadLog([]byte(`{"eventTime": "2026-01-01T10:00:03Z", "eventName": "AssumeRole", "requestID": "REQ1",
		"userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/agents/builder-3", "accessKeyId": "` + key + `",
			"sessionContext": {"sourceIdentity": "` + source + `"}},
		"requestParameters": {"roleSessionName": "` + source + `", "sourceIdentity": "other"},
		"responseElements": {"credentials": {"accessKeyId": "ASIA2"}}}`))
	require.NoError(t, err)
	assert.Equal(t, []services.Sighting{{At: time.Date(2026, 1, 1, 10, 0, 3, 0, time.UTC), Clues: []services.Clue{
		services.NewClue(audit.MarkRequest, "REQ1"), services.NewClue(audit.MarkKey, key), services.NewClue(audit.MarkKey, "ASIA2"),
		ofAgent(audit.MarkSource), services.NewClue(audit.MarkSource, "other"),
		ofAgent(audit.MarkSession), services.NewClue(audit.MarkSession, "builder-3"),
	}}}, seen)
}

func TestFilesOfCloudTrailHaveSeveralEvents(t *testing.T) {
	t.Parallel()
	seen, err := aws.New().ReadLog([]byte(`{"Records": [{"requestID": "REQ1"}, {"eventName": "nothing"}]}`))
	require.NoError(t, err)
	assert.Equal(t, []services.Sighting{{Clues: []services.Clue{services.NewClue(audit.MarkRequest, "REQ1")}}, {}}, seen)
	seen, err = aws.New().ReadLog([]byte(`{"Records": []}`))
	require.NoError(t, err)
	assert.NotNil(t, seen, "it is CloudTrail's, and has no event")
	assert.Empty(t, seen)
}

func TestWhatIsNotOfCloudTrail(t *testing.T) {
	t.Parallel()
	for _, other := range []string{
		`{}`, `null`, `{"hashed_token": "x", "request_id": "F00D:1:2"}`, `{"Records": null}`,
		`{"userIdentity": {"arn": "arn:aws:iam::123456789012:user/team/a/dana"}}`, // whose path is no session
	} {
		seen, err := aws.New().ReadLog([]byte(other))
		require.NoError(t, err, other)
		assert.Nil(t, seen, other)
	}
	for _, wrong := range []string{`[]`, `{"requestID": 5}`, `{"Records": {}}`} {
		_, err := aws.New().ReadLog([]byte(wrong))
		require.ErrorContains(t, err, "cannot unmarshal", wrong)
	}
	_, err := aws.New().ReadLog([]byte(`{"eventTime": "yesterday"}`))
	require.ErrorContains(t, err, "yesterday")
}
