export const CONTRACT = `AGREEMENT between Harbour Bakery Ltd ("the Client") and Ada Miller ("the Designer"), 3 March 2026.

1. Services. The Designer makes a new web site for the Client, with an order form.
2. Payment. The Client pays 4,800 euros: half when work begins, half within 30 days of delivery.
3. Term. The work begins on 1 April 2026 and is delivered by 30 June 2026.
4. Confidentiality. Each party keeps secret for two years what it learns of the other's business.
5. Termination. Either party may end this agreement with 14 days' notice in writing.
6. Law. The law of Ireland applies; the courts of Dublin decide.`;
