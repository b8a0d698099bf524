package ship

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"

	"sallyport/audit"
)

// OTLP sends exchanges as log records of OpenTelemetry's protocol over HTTP, in
// JSON (OTLP specification, "OTLP/HTTP").
type OTLP struct {
	Post    Post
	Version string // Sallyport's
	Log     *slog.Logger
}

// Name is the address.
func (o OTLP) Name() string { return o.Post.Address }

type (
	otlpRequest struct {
		ResourceLogs []otlpResource `json:"resourceLogs"`
	}
	otlpResource struct {
		Resource  otlpAttributes `json:"resource"`
		ScopeLogs []otlpScope    `json:"scopeLogs"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"scope"`
		LogRecords []otlpRecord `json:"logRecords"`
	}
	otlpRecord struct {
		TimeUnixNano         string          `json:"timeUnixNano"`
		ObservedTimeUnixNano string          `json:"observedTimeUnixNano"`
		SeverityNumber       int             `json:"severityNumber"`
		SeverityText         string          `json:"severityText"`
		EventName            string          `json:"eventName"`
		Body                 otlpValue       `json:"body"`
		Attributes           []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	// otlpValue holds one of its fields; an int64 is a string in protobuf's JSON.
	otlpValue struct {
		StringValue *string `json:"stringValue,omitempty"`
		IntValue    *string `json:"intValue,omitempty"`
	}
)

// Severities of the protocol's log data model.
const (
	otlpInfo = 9
	otlpWarn = 13
)

// Send posts a batch. Records that the collector rejects for what is in them
// must not be sent again (OTLP, "Partial Success"), so they are logged.
func (o OTLP) Send(ctx context.Context, batch []audit.Record) error {
	scope := otlpScope{}
	scope.Scope.Name, scope.Scope.Version = "sallyport", o.Version
	for _, r := range batch {
		if r.Exchange != nil {
			scope.LogRecords = append(scope.LogRecords, record(r.Exchange))
		} else {
			scope.LogRecords = append(scope.LogRecords, eventRecord(r.Event))
		}
	}
	body, err := json.Marshal(otlpRequest{[]otlpResource{{
		Resource:  otlpAttributes{[]otlpAttribute{attribute("service.name", "sallyport"), attribute("service.version", o.Version)}},
		ScopeLogs: []otlpScope{scope},
	}}})
	if err != nil {
		return err
	}
	answer, err := o.Post.do(ctx, "application/json", body)
	if err != nil {
		return err
	}
	var result struct {
		PartialSuccess struct {
			Rejected json.Number `json:"rejectedLogRecords"`
			Message  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if len(answer) > 0 && answer[0] == '{' {
		if err := json.Unmarshal(answer, &result); err != nil {
			return fmt.Errorf("its answer is no answer of OTLP: %w", err)
		}
	}
	if p := result.PartialSuccess; p.Rejected != "" && p.Rejected != "0" {
		o.Log.Error("the collector rejected records; they are not sent again", "to", o.Name(), "rejected", p.Rejected.String(),
			"reason", p.Message, "first", batch[0].ID(), "last", batch[len(batch)-1].ID())
	}
	return nil
}

// record is one exchange: the whole as its body, in JSON, and what is searched
// for as attributes, by OpenTelemetry's names where there are any.
func record(x *audit.Exchange) otlpRecord {
	body := string(x.AppendJSON(nil))
	r := otlpRecord{
		TimeUnixNano:         strconv.FormatInt(x.StartedAt.UnixNano(), 10),
		ObservedTimeUnixNano: strconv.FormatInt(x.Outcome.EndedAt.UnixNano(), 10),
		SeverityNumber:       otlpInfo, SeverityText: "INFO", EventName: "sallyport.exchange",
		Body: otlpValue{StringValue: &body},
	}
	if warns(x) {
		r.SeverityNumber, r.SeverityText = otlpWarn, "WARN"
	}
	for _, a := range [...]otlpAttribute{
		attribute("sallyport.exchange.id", x.ID.String()), // what a receiver drops duplicates by
		attribute("sallyport.agent.id", x.Agent.String()),
		attribute("sallyport.agent.name", x.AgentName),
		attribute("sallyport.owner", x.Owner),
		attribute("sallyport.accountable", x.Accountable),
		attribute("sallyport.policy", x.Policy),
		attribute("sallyport.rule", x.Rule),
		attribute("sallyport.decision", x.Decision),
		attribute("sallyport.operation", x.Operation),
		attribute("sallyport.resource", x.Resource),
		attribute("sallyport.credential", x.Credential),
		attribute("sallyport.outcome", x.Outcome.Outcome),
		attribute("http.request.method", x.Method),
		attribute("server.address", x.Host),
		attribute("url.path", x.Path),
	} {
		if *a.Value.StringValue != "" {
			r.Attributes = append(r.Attributes, a)
		}
	}
	if x.Outcome.Status != 0 {
		status := strconv.Itoa(x.Outcome.Status)
		r.Attributes = append(r.Attributes, otlpAttribute{"http.response.status_code", otlpValue{IntValue: &status}})
	}
	return r
}

// eventRecord is one event that is none of an exchange's.
func eventRecord(e *audit.EventRow) otlpRecord {
	body, at := string(e.AppendJSON(nil)), strconv.FormatInt(e.At.UnixNano(), 10)
	r := otlpRecord{
		TimeUnixNano: at, ObservedTimeUnixNano: at, SeverityNumber: otlpInfo, SeverityText: "INFO",
		EventName: "sallyport." + e.Type, Body: otlpValue{StringValue: &body},
		Attributes: []otlpAttribute{attribute("sallyport.event.id", e.ID.String())}, // what a receiver drops duplicates by
	}
	for _, key := range []string{"agent", "owner", "policy", "credential", "user", "login_user", "sudo_user"} {
		if s, ok := e.Payload[key].(string); ok {
			r.Attributes = append(r.Attributes, attribute("sallyport.event."+key, s))
		}
	}
	return r
}

func attribute(key, value string) otlpAttribute {
	value = audit.Printable(value) // protobuf's strings are UTF-8
	return otlpAttribute{key, otlpValue{StringValue: &value}}
}

// warns reports whether somebody may want to look at x.
func warns(x *audit.Exchange) bool { return x.Outcome.Outcome != audit.OutcomeCompleted }
