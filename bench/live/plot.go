//go:build linux

package live

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth  = 9 * vg.Inch
	plotHeight = 5 * vg.Inch
	plotTicks  = 8   // points from one half of what is left to the next
	plotFloor  = 100 // nanoseconds: less is drawn as that, so that what matters has room
)

// WriteSVG draws the series: latency over the percentile, both logarithmic, so that each further nine
// takes as much room.
func (r *Result) WriteSVG(w io.Writer) error {
	p := plot.New()
	p.Title.Text = r.Bench
	p.X.Label.Text = "percentile"
	p.Y.Label.Text = "latency, µs"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = nines{}, decades{}
	p.Add(plotter.NewGrid())
	for i := range r.Series {
		s := &r.Series[i]
		points, err := s.points()
		if err != nil {
			return fmt.Errorf("plot: series %q: %w", s.Name, err)
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("plot: series %q: %w", s.Name, err)
		}
		line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
		line.Dashes = plotutil.Dashes(i / len(plotutil.DefaultColors)) // colors come again
		p.Add(line)
		p.Legend.Add(s.Name, line)
	}
	c, err := p.WriterTo(plotWidth, plotHeight, "svg")
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if _, err := c.WriteTo(w); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// points are the series as the plot has it: one in how many is slower, and the latency.
func (s *Series) points() (plotter.XYs, error) {
	h, err := s.HDR.decode()
	if err != nil {
		return nil, err
	}
	var xys plotter.XYs
	for _, b := range h.CumulativeDistributionWithTicks(plotTicks) {
		one := 1 / (1 - min(b.Quantile/100, 1-1/float64(max(s.Count, 2))))
		xys = append(xys, plotter.XY{X: one, Y: max(float64(b.ValueAt), plotFloor) / 1e3})
	}
	if len(xys) == 0 {
		return nil, fmt.Errorf("no latencies")
	}
	return xys, nil
}

// nines marks the horizontal axis: 0, 50, 90, 99, 99.9 percent and so on.
type nines struct{}

func (nines) Ticks(low, high float64) []plot.Tick {
	ticks := []plot.Tick{{Value: 1, Label: "min"}, {Value: 2, Label: "50 %"}}
	for one := 10.0; one <= high; one *= 10 {
		digits := max(int(math.Round(math.Log10(one)))-2, 0)
		ticks = append(ticks, plot.Tick{Value: one, Label: strconv.FormatFloat(100-100/one, 'f', digits, 64) + " %"})
	}
	return ticks
}

// decades marks the vertical axis at 1, 2, 5, 10 and so on.
type decades struct{}

func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for d := math.Pow(10, math.Floor(math.Log10(low))); d <= high; d *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if v := d * m; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', -1, 64)})
			}
		}
	}
	return ticks
}
