package github

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/services"
	"sallyport/services/github/api"
)

// pushes is how the trail calls a push.
const pushes = Key + ":git/push"

var commitForm = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

// Recognize implements [services.Recognizer]: the hash of a token as the audit log shows it,
// a commit, and the address of what a call has made. A commit of a repository that uses SHA-256 looks like a fingerprint, and is
// found as one.
func (*Service) Recognize(value string) (services.Clue, bool) {
	if mark, ok := audit.TokenMark(value); ok {
		return services.Clue{Mark: audit.Mark{Kind: audit.MarkToken, Value: value}, Filter: audit.Filter{Mark: mark}}, true
	}
	if commitForm.MatchString(value) {
		clue := services.NewClue(audit.MarkCommit, strings.ToLower(value))
		clue.Carriers = &audit.Filter{Operation: pushes}
		return clue, true
	}
	if mark, ok := api.MarkOf(value); ok {
		clue := services.NewClue(audit.MarkMade, mark)
		clue.Value = value
		return clue, true
	}
	return services.Clue{}, false
}

// event is what is read of an event of the audit log, as GitHub's exports have it.
type event struct {
	HashedToken string `json:"hashed_token"`
	RequestID   string `json:"request_id"`
	Timestamp   int64  `json:"@timestamp"` // milliseconds
}

// ReadLog implements [services.LogReader].
func (s *Service) ReadLog(object []byte) ([]services.Sighting, error) {
	var e event
	if err := json.Unmarshal(object, &e); err != nil {
		return nil, err
	}
	var found services.Sighting
	if e.RequestID != "" {
		found.Clues = append(found.Clues, services.NewClue(audit.MarkRequest, e.RequestID))
	}
	if e.HashedToken != "" {
		found.Clues = append(found.Clues, services.Recognize([]services.Service{s}, e.HashedToken))
	}
	if len(found.Clues) == 0 {
		return nil, nil
	}
	if e.Timestamp > 0 {
		found.At = time.UnixMilli(e.Timestamp).UTC()
	}
	return []services.Sighting{found}, nil
}
