/**
 * The visitors of a simulated zone: addresses from the documentation ranges (RFC 5737, RFC 3849) with a place, a network and the
 * Cloudflare data centre they reach. Rank 0 is the busiest.
 */
import { type JsonFields, jsonFields } from "./JsonText.ts"
import { Draws } from "./Seed.ts"

// country, region, city, latitude, longitude, autonomous system, data centre, its number
const places: ReadonlyArray<readonly [string, string, string, number, number, number, string, number]> = [
  ["de", "BE", "Berlin", 52.52437, 13.41053, 3320, "TXL", 392],
  ["de", "HE", "Frankfurt am Main", 50.11552, 8.68417, 3209, "FRA", 28],
  ["de", "BY", "Munich", 48.13743, 11.57549, 6805, "MUC", 305],
  ["fr", "IDF", "Paris", 48.85341, 2.3488, 3215, "CDG", 31],
  ["it", "65", "Reggio nell'Emilia", 44.69825, 10.63125, 3269, "MXP", 45],
  ["it", "RM", "Rome", 41.89193, 12.51133, 30722, "FCO", 380],
  ["es", "MD", "Madrid", 40.4165, -3.70256, 3352, "MAD", 36],
  ["nl", "NH", "Amsterdam", 52.37403, 4.88969, 1136, "AMS", 30],
  ["pl", "14", "Warsaw", 52.22977, 21.01178, 5617, "WAW", 42],
  ["se", "AB", "Stockholm", 59.32938, 18.06871, 3301, "ARN", 38],
  ["at", "9", "Vienna", 48.20849, 16.37208, 8447, "VIE", 41],
  ["ch", "ZH", "Zürich", 47.36667, 8.55, 3303, "ZRH", 58],
  ["gb", "ENG", "London", 51.50853, -0.12574, 2856, "LHR", 373],
  ["us", "MI", "Traverse City", 44.76306, -85.62063, 20115, "ORD", 398],
  ["us", "VA", "Ashburn", 39.04372, -77.48749, 14618, "IAD", 413],
  ["us", "CA", "San José", 37.33939, -121.89496, 7922, "SJC", 4],
  ["br", "SP", "São Paulo", -23.5475, -46.63611, 28573, "GRU", 57],
  ["in", "MH", "Mumbai", 19.07283, 72.88261, 55836, "BOM", 65],
  ["jp", "13", "Tokyo", 35.6895, 139.69171, 2516, "NRT", 39],
  ["sg", "", "Singapore", 1.28967, 103.85007, 4773, "SIN", 35],
  ["au", "NSW", "Sydney", -33.86785, 151.20732, 1221, "SYD", 37],
  ["t1", "", "", 0, 0, 60729, "FRA", 28]
]

const addressOf = (rank: number, draws: Draws): string => {
  if (rank < 250) return `203.0.113.${rank + 1}`
  if (rank < 370) return `198.51.100.${rank - 249}`
  const group = (): string => draws.below(65536).toString(16)
  return `2001:db8:${group()}:${group()}::${group()}`
}

/** How many different visitors a zone has. */
export const CLIENT_COUNT = 8192

/** The visitors of a zone, busiest first. */
export const makeClients = (seed: number): ReadonlyArray<JsonFields> => {
  const draws = new Draws(seed)
  return Array.from({ length: CLIENT_COUNT }, (_, rank) => {
    const [country, region, city, latitude, longitude, asn, colo, coloId] = draws.pick(places)
    const tor = country === "t1"
    return jsonFields({
      ClientIP: addressOf(rank, draws),
      ClientIPClass: tor ? "tor" : draws.below(40) === 0 ? "badHost" : "noRecord",
      ClientASN: asn,
      ClientCountry: country,
      ClientRegionCode: region,
      ClientCity: city,
      // Coordinates are strings in this dataset.
      ClientLatitude: city === "" ? "" : latitude.toFixed(5),
      ClientLongitude: city === "" ? "" : longitude.toFixed(5),
      EdgeColoCode: colo,
      EdgeColoID: coloId
    })
  })
}
