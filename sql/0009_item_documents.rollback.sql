DROP FUNCTION IF EXISTS item_documents(bigint[]);
