package audit_test

import (
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

func intent() *audit.Intent {
	return &audit.Intent{
		ID: audit.NewID(), StartedAt: time.Now(),
		Who: audit.Who{
			Agent: uuid.MustParse("0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b"), AgentName: "worker",
			Owner: "person:dana", Accountable: "person:dana", Policy: "operator",
		},
		PolicyHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Rule: "model", Decision: audit.DecisionAllow,
		Method: "POST", Scheme: "https", Host: "api.anthropic.com", Port: 443, Path: "/v1/messages",
		Credential: "anthropic", CredentialFingerprint: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		CertSerial: "7d3f5a9b1c2e4f60718293a4b5c6d7e8", ClientAddr: "127.0.0.1:50432", HTTPVersion: "1.1", AuthorizeMS: 0.021,
	}
}

func outcome() *audit.Outcome {
	return &audit.Outcome{
		EndedAt: time.Now(), UpstreamAddr: "160.79.104.10:443", Status: 200, Outcome: audit.OutcomeCompleted,
		BytesSent: 812, BytesReceived: 1024, UpstreamRequestID: "req_011CSHoEeqs5C35K2UUqR7Fy",
		Timings: audit.Timings{Audit: 0.3, Connect: 12.5, FirstByte: 140.25, Total: 150},
	}
}

func minute(i int) time.Time { return time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC) }
