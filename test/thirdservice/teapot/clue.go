package teapot

import (
	"encoding/json"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/services"
)

// Recognize implements [services.Recognizer]: a receipt has the number of its order.
func (Service) Recognize(value string) (services.Clue, bool) {
	number, ok := strings.CutPrefix(value, "receipt for ")
	return services.NewClue(audit.MarkRequest, number), ok
}

// ReadLog implements [services.LogReader]: a teapot keeps a line of JSON for each order.
func (Service) ReadLog(object []byte) ([]services.Sighting, error) {
	var line struct {
		BrewedAt time.Time `json:"brewed_at"`
		Order    string    `json:"teapot_order"`
	}
	if err := json.Unmarshal(object, &line); err != nil || line.Order == "" {
		return nil, err
	}
	return []services.Sighting{{At: line.BrewedAt, Clues: []services.Clue{services.NewClue(audit.MarkRequest, line.Order)}}}, nil
}
