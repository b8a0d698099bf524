package aws

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/services"
	"sallyport/services/aws/session"
)

var accessKeyForm = regexp.MustCompile(`^A[KS]IA[0-9A-Z]{12,}$`)

// Recognize implements [services.Recognizer]: the id of an access key, and the source identity
// that an agent's session has.
func (*Service) Recognize(value string) (services.Clue, bool) {
	switch {
	case accessKeyForm.MatchString(value):
		return services.NewClue(audit.MarkKey, value), true
	case strings.HasPrefix(value, session.SourcePrefix):
		return sessionClue(audit.MarkSource, value), true
	}
	return services.Clue{}, false
}

// sessionClue is a source identity, or the name of a session. One that names an agent leads to
// all requests to AWS of that agent, also to rows without the mark.
func sessionClue(kind audit.MarkKind, value string) services.Clue {
	clue := services.NewClue(kind, value)
	name, ok := strings.CutPrefix(value, session.SourcePrefix)
	if id, err := uuid.Parse(name); ok && err == nil {
		clue.Filter = audit.Filter{Agent: id, Operation: Key + ":*"}
	}
	return clue
}

// event is what is read of an event of CloudTrail.
type event struct {
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
}

// ReadLog implements [services.LogReader]: one event as CloudTrail's console shows it, or a file
// of them as CloudTrail writes it to a bucket.
func (*Service) ReadLog(object []byte) ([]services.Sighting, error) {
	var file struct {
		Records []event `json:"Records"`
	}
	if err := json.Unmarshal(object, &file); err != nil {
		return nil, err
	}
	if file.Records == nil {
		var one event
		if err := json.Unmarshal(object, &one); err != nil {
			return nil, err
		}
		if clues := one.clues(); len(clues) > 0 {
			return []services.Sighting{{At: one.EventTime, Clues: clues}}, nil
		}
		return nil, nil
	}
	found := make([]services.Sighting, len(file.Records))
	for i := range file.Records {
		found[i] = services.Sighting{At: file.Records[i].EventTime, Clues: file.Records[i].clues()}
	}
	return found, nil
}

// clues are those of an event, the one that says most first.
func (e *event) clues() (clues []services.Clue) {
	name := ""
	if role := strings.Split(e.UserIdentity.ARN, "/"); len(role) == 3 { // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
		name = role[2]
	}
	for _, one := range []struct {
		kind  audit.MarkKind
		value string
	}{
		{audit.MarkRequest, e.RequestID},
		{audit.MarkKey, e.UserIdentity.AccessKeyID},
		{audit.MarkKey, e.ResponseElements.Credentials.AccessKeyID},
		{audit.MarkSource, e.UserIdentity.SessionContext.SourceIdentity},
		{audit.MarkSource, e.RequestParameters.SourceIdentity},
		{audit.MarkSession, e.RequestParameters.RoleSessionName},
		{audit.MarkSession, name},
	} {
		switch {
		case one.value == "":
		case one.kind == audit.MarkSource || one.kind == audit.MarkSession:
			clues = append(clues, sessionClue(one.kind, one.value))
		default:
			clues = append(clues, services.NewClue(one.kind, one.value))
		}
	}
	return clues
}
