-- A line of a settlement list: what belongs to one order is one line, whatever transfers it took.
CREATE OR REPLACE VIEW settlement_leg AS
SELECT t.business_date, t.id, t.posted_at, t.card_no, t.order_no, leg.account, leg.amount_fen,
    CASE WHEN t.reason = 'remitted' THEN 'remitted'
         WHEN o.order_no IS NOT NULL AND o.kind IN ('return', 'unload') THEN o.kind
         WHEN o.order_no IS NOT NULL THEN CASE WHEN leg.amount_fen > 0 THEN o.kind ELSE 'refund' END
         ELSE split_part(t.reason, ' ', 1) END AS kind,
    CASE WHEN m.role IS NOT NULL THEN m.role
         WHEN o.institution LIKE 'linkage/%' THEN 'onecard'
         WHEN o.institution <> 'app' THEN 'institution'
         WHEN coalesce(p.acquirer, b.acquirer) IS NOT NULL THEN 'payments'
         WHEN r.seller IS NOT NULL THEN 'merchant'
         WHEN a.domain IS NOT NULL THEN 'onecard' ELSE '' END AS role,
    CASE WHEN m.party IS NOT NULL THEN m.party
         WHEN o.institution <> 'app' THEN replace(o.institution, 'linkage/', '')
         ELSE coalesce(p.acquirer, b.acquirer, r.seller, a.domain, '') END AS party,
    coalesce(o.channel, '') AS channel,
    CASE WHEN a.domain IS NOT NULL THEN t.order_no
         ELSE coalesce(nullif(o.payment_order, ''), r.out_trade_no, p.payment_no, b.refund_no, m.bank_reference, '')
         END AS their_no,
    CASE WHEN t.order_no = '' THEN t.id::text ELSE t.card_no || ' ' || t.order_no END AS line
FROM transfer t
CROSS JOIN LATERAL (VALUES (t.debit, t.amount_fen), (t.credit, -t.amount_fen)) AS leg (account, amount_fen)
LEFT JOIN orders o ON t.order_no <> '' AND o.card_no = t.card_no AND o.order_no = t.order_no
LEFT JOIN payment p ON p.order_no = CASE WHEN o.institution = 'app' THEN split_part(o.payment_order, '/', 1)
                                         WHEN t.reason LIKE 'payment %' THEN t.order_no END
LEFT JOIN payout_refund b ON t.reason LIKE 'payout %' AND b.refund_no = substr(t.reason, 8)
LEFT JOIN ride_trade r ON t.reason = 'ride' AND r.user_id = t.card_no AND r.trade_no = t.order_no
LEFT JOIN prepaid_account a ON t.reason = 'prepaid' AND a.account = t.credit
LEFT JOIN remittance m ON t.reason = 'remitted' AND m.number = t.order_no
WHERE t.kind IN ('single', 'post') AND (leg.account BETWEEN 101 AND 106 OR leg.account = 11);

CREATE SEQUENCE remittance_seq;
