-- What a page shows of its titles, as a JSON array in the order of the ids.
-- PL/pgSQL, for it keeps the plan: of a statement that is planned anew for each request, as a search must be, this
-- is the part that is always planned alike. It sees what the statement that calls it sees.
CREATE OR REPLACE FUNCTION item_documents(item_ids bigint[]) RETURNS text
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (SELECT coalesce(json_agg(item.document ORDER BY shown.place), '[]')
              FROM unnest(item_ids) WITH ORDINALITY AS shown (id, place)
              JOIN wishlist_documents AS item ON item.id = shown.id);
END
$$;
