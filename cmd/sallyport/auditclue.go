package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// clue is one thing that another system shows of what was done.
type clue struct {
	Kind   string       `json:"kind"` // a word of clueKinds
	Value  string       `json:"value"`
	filter audit.Filter // finds what it leads to
}

// Kinds of clues. A request id leads to one exchange, a commit to the pushes
// that moved a ref to or from it, the others to all exchanges of a session.
const (
	clueRequest = "request id"
	clueCommit  = "git commit"
	clueToken   = "token"
	clueKey     = "access key"
	clueSource  = "source identity"
	clueSession = "session name"
)

var (
	commitForm    = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sumForm       = regexp.MustCompile(`^[0-9a-f]{64}$`)
	accessKeyForm = regexp.MustCompile(`^A[KS]IA[0-9A-Z]{12,}$`)
)

// readClue tells by its form what a value is.
func readClue(value string) clue {
	if mark, ok := audit.TokenMark(value); ok {
		return clue{clueToken, value, audit.Filter{Mark: mark}}
	}
	kind := clueRequest
	switch lower := strings.ToLower(value); {
	case commitForm.MatchString(lower):
		kind, value = clueCommit, lower
	case sumForm.MatchString(lower): // or a commit of a repository that uses SHA-256
		kind, value = clueToken, lower
	case accessKeyForm.MatchString(value):
		kind = clueKey
	case strings.HasPrefix(value, "agent-"):
		return sourceClue(clueSource, value)
	}
	return clue{kind, value, audit.Filter{Mark: value}}
}

// sourceClue names an agent when it has the form that Sallyport gives it.
func sourceClue(kind, value string) clue {
	name, ok := strings.CutPrefix(value, "agent-")
	if id, err := uuid.Parse(name); ok && err == nil {
		return clue{kind, value, audit.Filter{Agent: id, Operation: "aws:*"}}
	}
	return clue{kind, value, audit.Filter{Mark: value}}
}

// foreignEvent is what is read of an event of CloudTrail or of GitHub's audit log.
type foreignEvent struct {
	EventTime    time.Time `json:"eventTime"`
	RequestID    string    `json:"requestID"`
	UserIdentity struct {
		AccessKeyID    string `json:"accessKeyId"`
		ARN            string `json:"arn"`
		SessionContext struct {
			SourceIdentity string `json:"sourceIdentity"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	RequestParameters struct {
		SourceIdentity  string `json:"sourceIdentity"`
		RoleSessionName string `json:"roleSessionName"`
	} `json:"requestParameters"`
	ResponseElements struct {
		Credentials struct {
			AccessKeyID string `json:"accessKeyId"`
		} `json:"credentials"`
	} `json:"responseElements"`

	HashedToken     string `json:"hashed_token"`
	GitHubRequestID string `json:"request_id"`
	Timestamp       int64  `json:"@timestamp"` // milliseconds
}

// readEvents reads one event, or several as CloudTrail's files ({"Records": [...]})
// or its console's and GitHub's exports ([...]) have them.
func readEvents(data []byte) ([]foreignEvent, error) {
	var file struct {
		Records []foreignEvent `json:"Records"`
	}
	var list []foreignEvent
	switch text := strings.TrimSpace(string(data)); {
	case strings.HasPrefix(text, "["):
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	default:
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, fmt.Errorf("read event: %w", err)
		}
		if list = file.Records; list == nil {
			list = make([]foreignEvent, 1)
			if err := json.Unmarshal(data, &list[0]); err != nil {
				return nil, fmt.Errorf("read event: %w", err)
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no event in it")
	}
	return list, nil
}

// clues are those of an event, the one that says most first.
func (e *foreignEvent) clues() []clue {
	var list []clue
	add := func(kind, value string) {
		if value == "" {
			return
		}
		c := clue{kind, value, audit.Filter{Mark: value}}
		switch kind {
		case clueToken:
			c = readClue(value)
		case clueSource, clueSession:
			c = sourceClue(kind, value)
		}
		list = append(list, c)
	}
	add(clueRequest, e.RequestID)
	add(clueRequest, e.GitHubRequestID)
	add(clueToken, e.HashedToken)
	add(clueKey, e.UserIdentity.AccessKeyID)
	add(clueKey, e.ResponseElements.Credentials.AccessKeyID)
	add(clueSource, e.UserIdentity.SessionContext.SourceIdentity)
	add(clueSource, e.RequestParameters.SourceIdentity)
	add(clueSession, e.RequestParameters.RoleSessionName)
	// arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	if role := strings.Split(e.UserIdentity.ARN, "/"); len(role) == 3 {
		add(clueSession, role[2])
	}
	return list
}

func (e *foreignEvent) at() time.Time {
	if e.Timestamp > 0 {
		return time.UnixMilli(e.Timestamp).UTC()
	}
	return e.EventTime
}
